#include "team.h"

#include <chrono>
#include <system_error>
#include <utility>

namespace tinynets {
namespace {

// The next work usually comes within microseconds, too soon for a thread to be put to sleep and woken.
constexpr std::chrono::microseconds AWAKE(200);

}  // namespace

Team::Team(size_t threads) {
  try {
    for (size_t part = 1; part < threads; part++) threads_.emplace_back(&Team::Wait, this, part);
  } catch (const std::system_error &) {  // those there are share the work
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
  left_ = threads_.size();
  {
    const std::lock_guard<std::mutex> lock(sleeping_);  // none falls asleep between its last look and this
    begun_++;
  }
  woken_.notify_all();
  Do(0);
  while (left_ > 0) std::this_thread::yield();
  if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
}

void Team::Do(size_t part) {
  try {
    (*work_)(part);
  } catch (...) {
    const std::lock_guard<std::mutex> lock(sleeping_);
    error_ = std::current_exception();
  }
}

void Team::Wait(size_t part) {
  for (size_t done = 0;; done++) {
    const auto patience = std::chrono::steady_clock::now() + AWAKE;
    while (begun_ == done && !over_ && std::chrono::steady_clock::now() < patience) std::this_thread::yield();
    if (begun_ == done) {
      std::unique_lock<std::mutex> lock(sleeping_);
      woken_.wait(lock, [&] { return begun_ != done || over_; });
    }
    if (over_) return;
    Do(part);
    left_--;
  }
}

}  // namespace tinynets
