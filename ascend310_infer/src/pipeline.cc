#include "pipeline.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "error.h"
#include "image.h"
#include "preprocess.h"
#include "session.h"

namespace tinynets {
namespace {

class Watch {  // milliseconds since it was made, or since the last lap
 public:
  double Lap() {
    const auto now = std::chrono::steady_clock::now();
    const double passed = std::chrono::duration<double, std::milli>(now - start_).count();
    start_ = now;
    return passed;
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// The workers' shared data: the next image to take, and the results.
struct Shared {
  const std::vector<std::string> &images;
  const Preprocess preprocess;
  const size_t batch, classes, total;  // total: images times repetitions
  std::atomic<size_t> next{0};
  std::atomic<size_t> done{0};
  std::vector<Result> results;
  std::mutex ending;
  std::vector<Times> calls;
  std::exception_ptr error;
};

// Takes images until one has been written to the tensor; returns its number, or `total` if there are no more.
size_t Fill(Shared *shared, float *tensor, Times *times) {
  for (size_t i; (i = shared->next++) < shared->total;) {
    const size_t image = i % shared->images.size();
    try {
      Watch watch;
      Image pixels = Decode(shared->images[image]);
      const double decoding = watch.Lap();
      if (i < shared->images.size()) shared->results[image].highest = pixels.highest;
      shared->preprocess(std::move(pixels), tensor);
      times->preprocess += watch.Lap();
      times->decode += decoding;
      return i;
    } catch (const ImageError &error) {
      if (i < shared->images.size()) shared->results[image].failure = error.what();
    }
  }
  return shared->total;
}

void Work(Shared *shared, Session *session) {
  const size_t batch = shared->batch, classes = shared->classes, size = shared->preprocess.size();
  std::vector<size_t> taken;
  std::vector<Times> calls;
  for (;;) {
    Watch whole;
    Times times;
    taken.clear();
    float *tensors = session->Input();
    while (taken.size() < batch) {
      const size_t i = Fill(shared, tensors + size * taken.size(), &times);
      if (i == shared->total) break;
      taken.push_back(i);
    }
    if (taken.empty()) break;
    Watch watch;
    const float *logits = session->Run();  // a last batch may still hold images of the one before, which are ignored
    times.inference = watch.Lap();
    for (size_t k = 0; k < taken.size(); k++) {
      if (taken[k] >= shared->images.size()) continue;
      if (!std::all_of(logits + classes * k, logits + classes * (k + 1), [](float v) { return std::isfinite(v); })) {
        throw UserError(shared->images[taken[k]] + ": the network gives logits that are NaN or infinite; the model " +
                        "file is damaged, or its training diverged");
      }
      shared->results[taken[k]].logits.assign(logits + classes * k, logits + classes * (k + 1));
    }
    times.total = whole.Lap();
    calls.push_back(times);
    shared->done += taken.size();
  }
  const std::lock_guard<std::mutex> lock(shared->ending);
  shared->calls.insert(shared->calls.end(), calls.begin(), calls.end());
}

void WorkSafely(Shared *shared, Session *session) {
  try {
    Work(shared, session);
  } catch (...) {
    shared->next = shared->total;  // the others stop as well
    const std::lock_guard<std::mutex> lock(shared->ending);
    shared->error = std::current_exception();
  }
}

}  // namespace

Outcome Classify(const Arguments &arguments, const Manifest &manifest, const std::vector<std::string> &images) {
  const auto batch = static_cast<size_t>(arguments.batch), classes = manifest.class_names.size();
  Shared shared{images, Preprocess(manifest), batch, classes, images.size() * arguments.repeat, {}, {}, {}, {}, {}, {}};
  shared.results.resize(images.size());
  std::vector<std::unique_ptr<Session>> sessions;
  for (int i = 0; i < arguments.workers; i++) {
    const Session *const other = sessions.empty() ? nullptr : sessions.front().get();
    sessions.push_back(MakeSession(arguments, manifest, other));
    for (int k = 0; k < arguments.warmup; k++) sessions.back()->Run();
  }
  Watch watch;
  std::vector<std::thread> threads;
  try {
    for (auto &session : sessions) threads.emplace_back(WorkSafely, &shared, session.get());
  } catch (const std::system_error &) {  // no more threads available: the existing ones do the work
    if (threads.empty()) throw;
  }
  for (auto &thread : threads) thread.join();
  const double seconds = watch.Lap() / 1000;
  if (shared.error) std::rethrow_exception(shared.error);
  return {std::move(shared.results),   std::move(shared.calls),        shared.done, seconds,
          sessions.front()->kernels(), sessions.front()->own_kernels()};
}

}  // namespace tinynets
