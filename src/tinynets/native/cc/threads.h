// parallel(tasks, f): f(i) for every i in [0, tasks), on the calling thread and a few helpers.
//
// Tasks are assigned by a counter, so a slow core just runs fewer; which thread runs a task never changes its result.
// The caller works too and waits only for tasks already begun, so it cannot deadlock: helpers that are busy, asleep or
// missing (a forked child has none) only cost speed. A second operator at the same time runs on its caller's thread
// only. Idle helpers sleep. Not to be called from within a task.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

namespace tinynets {

int threads();
void set_threads(int count);  // 0: all processors that the process may use
void run_tasks(int64_t tasks, const std::function<void(int64_t)> &task);

template <class F>
void parallel(int64_t tasks, F &&f) {
  if (tasks < 2) {
    for (int64_t i = 0; i < tasks; i++) f(i);
    return;
  }
  run_tasks(tasks, std::function<void(int64_t)>(std::ref(f)));
}

}  // namespace tinynets
