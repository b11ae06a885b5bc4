// The C++ program's network for benchmarks/edge_latency.py, with the protocol of edge_worker.py, so that all engines
// are timed in the same way: `tinynet_calls MODEL KERNELS FOLDER [files]`. A line of stdin is
// BATCH,THREADS,COPIES,CALLS,SECONDS: every copy makes up to CALLS calls, fewer after SECONDS, but at least two. The
// answer is a line of JSON with the wall time of each call, their total, and the first image's logits (with `files`:
// the calls' parts).
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "files.h"
#include "image.h"
#include "manifest.h"
#include "preprocess.h"
#include "session.h"

namespace {

using namespace tinynets;
using Clock = std::chrono::steady_clock;

constexpr double RAMP = 0.1, REST = 0.03;  // seconds; as in edge_worker.py
constexpr int LEAST = 2;                   // calls per copy, however long they take

double Since(Clock::time_point begun) { return std::chrono::duration<double>(Clock::now() - begun).count(); }

struct Call {
  double ms;
  double decode_ms, resize_ms, network_ms;  // with image files
};

struct Copy {
  std::unique_ptr<Session> session;
  size_t next = 0;  // image file
  const float *logits = nullptr;
};

class Engine {
 public:
  Engine(const std::string &model, const std::string &kernels, const std::string &folder, bool whole)
      : folder_(folder), manifest_(ReadManifest(model + ".json", model)), preprocess_(manifest_) {
    arguments_.model = model;
    arguments_.manifest = model + ".json";
    arguments_.kernels = kernels;
    if (whole) files_ = FindImages(folder + "/images");
  }

  nlohmann::json Answer(const std::string &line) {
    std::string text = line;
    std::replace(text.begin(), text.end(), ',', ' ');
    std::istringstream fields(text);
    int batch = 0, threads = 0, copies = 0, calls = 0;
    double seconds = 0;
    fields >> batch >> threads >> copies >> calls >> seconds;
    if (copies_.size() != static_cast<size_t>(copies) || batch != arguments_.batch || threads != arguments_.threads) {
      Make(batch, threads, copies);
      Measure(LEAST, seconds);
    }
    for (const auto begun = Clock::now(); Since(begun) < RAMP;) Measure(1, seconds);
    const auto begun = Clock::now();
    const std::vector<Call> done = Measure(calls, seconds);
    nlohmann::json answer = {{"seconds", Since(begun)}};
    std::this_thread::sleep_for(std::chrono::duration<double>(REST));
    for (const Call &call : done) {
      answer["ms"].push_back(call.ms);
      if (!files_.empty()) answer["parts"].push_back({call.decode_ms, call.resize_ms, call.network_ms});
    }
    const float *const logits = copies_[0].logits;
    if (files_.empty()) answer["logits"] = std::vector<float>(logits, logits + manifest_.class_names.size());
    return answer;
  }

 private:
  void Make(int batch, int threads, int copies) {
    copies_.clear();
    arguments_.batch = batch;
    arguments_.threads = threads;
    for (int i = 0; i < copies; i++) {
      const Session *const first = copies_.empty() ? nullptr : copies_.front().session.get();
      copies_.push_back({MakeSession(arguments_, manifest_, first)});
      if (!files_.empty()) continue;
      const size_t bytes = preprocess_.size() * batch * sizeof(float);
      std::ifstream file(folder_ + "/inputs-" + std::to_string(batch) + ".f32", std::ios::binary);
      if (!file.read(reinterpret_cast<char *>(copies_.back().session->Input()), static_cast<std::streamsize>(bytes))) {
        throw std::runtime_error("inputs of a batch of " + std::to_string(batch) + " are missing");
      }
    }
  }

  Call Run(Copy *copy) const {
    Call call = {};
    const auto begun = Clock::now();
    double network = 0;
    if (!files_.empty()) {
      Image image = Decode(files_[copy->next++ % files_.size()]);
      const double decoded = Since(begun);
      preprocess_(std::move(image), copy->session->Input());
      network = Since(begun);
      call.decode_ms = 1000 * decoded;
      call.resize_ms = 1000 * (network - decoded);
    }
    copy->logits = copy->session->Run();
    const double all = Since(begun);
    call.ms = 1000 * all;
    call.network_ms = 1000 * (all - network);
    return call;
  }

  // The calls of every copy, in parallel.
  std::vector<Call> Measure(int count, double seconds) {
    std::vector<std::vector<Call>> each(copies_.size());
    const auto work = [&](size_t i) {
      const auto begun = Clock::now();
      for (int done = 0; done < count && (done < LEAST || Since(begun) < seconds); done++) {
        each[i].push_back(Run(&copies_[i]));
      }
    };
    std::vector<std::thread> others;
    for (size_t i = 1; i < copies_.size(); i++) others.emplace_back(work, i);
    work(0);
    for (auto &thread : others) thread.join();
    std::vector<Call> all;
    for (const auto &calls : each) all.insert(all.end(), calls.begin(), calls.end());
    return all;
  }

  const std::string folder_;
  const Manifest manifest_;
  const Preprocess preprocess_;
  Arguments arguments_;
  std::vector<std::string> files_;
  std::vector<Copy> copies_;
};

}  // namespace

int main(int argc, char **argv) {
  FILE *const answers = fdopen(dup(STDOUT_FILENO), "w");  // MindSpore Lite's output goes to stderr
  if (argc < 4 || answers == nullptr || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) return 2;
  const auto answer = [&](const nlohmann::json &line) {
    std::fprintf(answers, "%s\n", line.dump().c_str());
    std::fflush(answers);
  };
  try {
    Engine engine(argv[1], argv[2], argv[3], argc > 4);
    answer({{"engine", argv[2]}});
    for (std::string line; std::getline(std::cin, line);) answer(engine.Answer(line));
    rusage used;
    getrusage(RUSAGE_SELF, &used);
    answer(static_cast<double>(used.ru_maxrss) / 1024);
  } catch (const std::exception &error) {
    answer({{"failed", error.what()}});
    return 1;
  }
}
