#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace tinynets {

// Threads that do the parts of one work after another, including the caller, which also does the parts of threads that
// the system has suspended.
class Team {
 public:
  // Fewer threads if the system allows no more.
  explicit Team(size_t threads);
  ~Team();

  size_t size() const { return threads_.size() + 1; }

  // Does all parts, [0, size()), and returns when they are done. Rethrows an exception of a part.
  void Run(const std::function<void(size_t part)> &work);

 private:
  void Wait(size_t part);
  bool Claim(size_t part, size_t work);
  void Do(size_t part);

  std::vector<std::thread> threads_;
  const std::function<void(size_t)> *work_ = nullptr;
  std::atomic<int> processor_{-1};            // that the caller was on, where the system tells
  std::atomic<size_t> begun_{0};              // works so far
  std::vector<std::atomic<size_t>> claimed_;  // the last work of which someone does the part
  std::atomic<size_t> left_{0};               // parts of the last one that are not done
  std::atomic<bool> over_{false};
  std::mutex sleeping_;
  std::condition_variable woken_;
  std::exception_ptr error_;
};

}  // namespace tinynets
