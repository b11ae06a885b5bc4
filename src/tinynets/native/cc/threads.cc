#include "threads.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

namespace tinynets {
namespace {

// A waiting thread polls this long before it sleeps, as waking it takes longer than many operators. It yields its
// processor between polls.
constexpr auto LINGER = std::chrono::microseconds(100);

template <class Ready>
bool look(Ready &&ready) {
  const auto until = std::chrono::steady_clock::now() + LINGER;
  while (!ready()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

int usable() {  // processors that the process may run on
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

std::atomic<int> wanted{0};

class Crew {
 public:
  static Crew &get() {  // never destroyed: helpers may outlive the end of main; a forked child starts its own
    static std::atomic<Crew *> crew{nullptr};
    static std::mutex making;
    Crew *now = crew.load(std::memory_order_acquire);
    if (now && now->pid_ == getpid()) return *now;
    std::unique_lock<std::mutex> lock(making, std::try_to_lock);
    if (!lock) return alone();
    now = crew.load(std::memory_order_acquire);
    if (!now || now->pid_ != getpid()) crew.store(now = new Crew, std::memory_order_release);
    return *now;
  }

  void run(int64_t tasks, const std::function<void(int64_t)> &task) {
    const int helpers = static_cast<int>(std::min<int64_t>(threads(), tasks)) - 1;
    std::unique_lock<std::mutex> mine(busy_, std::try_to_lock);
    if (helpers < 1 || helpless_ || !mine) {
      for (int64_t i = 0; i < tasks; i++) task(i);
      return;
    }
    {
      std::lock_guard<std::mutex> lock(state_);
      hire(helpers);
      task_ = &task;
      tasks_ = tasks;
      next_.store(0);
      places_ = helpers;
      turn_.fetch_add(1);
    }
    if (sleeping_.load() > 0) wake_.notify_all();
    work(task, tasks);
    std::exception_ptr failure;
    {
      std::lock_guard<std::mutex> lock(state_);
      places_ = 0;  // no helper may join any more; wait for the working ones
    }
    const auto all_done = [this] { return working_.load() == 0; };
    if (!look(all_done)) {
      std::unique_lock<std::mutex> lock(state_);
      done_.wait(lock, all_done);
    }
    std::swap(failure, failure_);
    if (failure) std::rethrow_exception(failure);
  }

 private:
  static Crew &alone() {
    static Crew *none = new Crew(true);
    return *none;
  }

  explicit Crew(bool helpless = false) : pid_(getpid()), helpless_(helpless) {}

  void hire(int count) {
    while (hired_ < count) {
      try {
        std::thread([this] { help(); }).detach();
      } catch (const std::exception &) {
        return;  // no more threads available: fewer helpers
      }
      hired_++;
    }
  }

  void work(const std::function<void(int64_t)> &task, int64_t tasks) {
    try {
      for (int64_t i; (i = next_.fetch_add(1)) < tasks;) task(i);
    } catch (...) {  // no memory: the caller gets the exception when all have stopped
      next_.store(tasks);
      std::lock_guard<std::mutex> lock(state_);
      failure_ = std::current_exception();
    }
  }

  void help() {
    uint64_t seen = 0;
    for (;;) {
      look([&] { return turn_.load() != seen; });
      std::unique_lock<std::mutex> lock(state_);
      if (turn_.load() == seen) {
        sleeping_.fetch_add(1);
        wake_.wait(lock, [&] { return turn_.load() != seen; });
        sleeping_.fetch_sub(1);
      }
      seen = turn_.load();
      if (places_ == 0 || next_.load() >= tasks_) continue;
      places_--;
      working_.fetch_add(1);
      const auto *task = task_;
      const int64_t tasks = tasks_;
      lock.unlock();
      work(*task, tasks);
      lock.lock();
      if (working_.fetch_sub(1) == 1) done_.notify_one();
    }
  }

  const pid_t pid_;
  const bool helpless_;
  std::mutex busy_, state_;
  std::condition_variable wake_, done_;
  std::atomic<uint64_t> turn_{0};
  std::atomic<int64_t> next_{0};
  std::atomic<int> sleeping_{0}, working_{0};
  const std::function<void(int64_t)> *task_ = nullptr;
  std::exception_ptr failure_;
  int64_t tasks_ = 0;
  int places_ = 0, hired_ = 0;
};

}  // namespace

int threads() {
  const int count = wanted.load(std::memory_order_relaxed);
  if (count > 0) return count;
  static const int all = usable();
  return all;
}

void set_threads(int count) { wanted.store(std::max(0, count), std::memory_order_relaxed); }

void run_tasks(int64_t tasks, const std::function<void(int64_t)> &task) { Crew::get().run(tasks, task); }

}  // namespace tinynets

extern "C" __attribute__((visibility("default"))) void tinynets_set_threads(int count) { tinynets::set_threads(count); }
extern "C" __attribute__((visibility("default"))) int tinynets_threads() { return tinynets::threads(); }
