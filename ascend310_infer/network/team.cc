#include "team.h"

#include <algorithm>
#include <chrono>
#include <utility>

#ifdef __linux__
#include <sched.h>
#endif

namespace tinynets {
namespace {

// The next work usually comes within microseconds, too soon for a thread to sleep and be woken.
constexpr std::chrono::microseconds AWAKE(200);

#ifdef __linux__
int Processor() { return sched_getcpu(); }

// Moves the calling thread to the processor `steps` after `from` among those that it may use. New threads start on the
// processor of the thread that makes or wakes them, and the system needs tens of milliseconds to move them apart. After
// this call the system may move the thread as usual.
void Move(int from, size_t steps) {
  cpu_set_t all, one;
  if (sched_getaffinity(0, sizeof all, &all) != 0 || CPU_COUNT(&all) < 2) return;
  int to = from;
  while (steps > 0) {
    to = (to + 1) % CPU_SETSIZE;
    if (CPU_ISSET(to, &all)) steps--;
  }
  CPU_ZERO(&one);
  CPU_SET(to, &one);
  sched_setaffinity(0, sizeof one, &one);
  sched_setaffinity(0, sizeof all, &all);
}
#else
int Processor() { return -1; }
void Move(int, size_t) {}
#endif

}  // namespace

Team::Team(size_t threads) : claimed_(std::max<size_t>(1, threads)) {
  threads_.reserve(threads);  // after the first thread has started, exceptions must be caught
  try {
    for (size_t part = 1; part < threads; part++) threads_.emplace_back(&Team::Wait, this, part);
  } catch (const std::exception &) {  // no more threads, or no memory for them: the existing ones share the work
  }
}

Team::~Team() {
  {
    const std::lock_guard<std::mutex> lock(sleeping_);
    over_ = true;
  }
  woken_.notify_all();
  for (auto &thread : threads_) thread.join();
}

void Team::Run(const std::function<void(size_t)> &work) {
  work_ = &work;
  processor_ = Processor();
  left_ = size();
  const size_t number = begun_ + 1;
  {
    const std::lock_guard<std::mutex> lock(sleeping_);  // no thread falls asleep between its last check and this
    begun_ = number;
  }
  woken_.notify_all();
  for (size_t part = 0; part < size(); part++) {
    if (Claim(part, number)) Do(part);
  }
  while (left_ > 0) std::this_thread::yield();
  if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
}

// Whether the caller is the first to claim a part of a work; the works before it are done.
bool Team::Claim(size_t part, size_t work) {
  size_t last = work - 1;
  return claimed_[part].compare_exchange_strong(last, work);
}

void Team::Do(size_t part) {
  try {
    (*work_)(part);
  } catch (...) {
    const std::lock_guard<std::mutex> lock(sleeping_);
    error_ = std::current_exception();
  }
  left_--;
}

void Team::Wait(size_t part) {
  for (size_t done = 0;;) {
    const auto patience = std::chrono::steady_clock::now() + AWAKE;
    while (begun_ == done && !over_ && std::chrono::steady_clock::now() < patience) std::this_thread::yield();
    if (begun_ == done) {
      std::unique_lock<std::mutex> lock(sleeping_);
      woken_.wait(lock, [&] { return begun_ != done || over_; });
    }
    if (over_) return;
    done = begun_;
    const int processor = processor_;
    if (processor >= 0 && Processor() == processor) Move(processor, part);
    if (Claim(part, done)) Do(part);
  }
}

}  // namespace tinynets
