#include "engine.h"

#include <cmath>
#include <utility>

#include "error.h"
#include "mindir.h"
#include "operators.h"
#include "probe.h"

namespace tinynets {

const Kernels &ChooseKernels(const std::string &name) {
  const Kernels *const found = FindKernels(name == "best" ? "" : name);
  if (found != nullptr) return *found;
  if (name == "best") throw UserError("this processor has neither AVX2 nor AVX-512, which the program's kernels need");
  throw UserError("--kernels " + name + ": this processor has no such instructions; try best");
}

Engine::Engine(const Arguments &arguments, const Manifest &manifest)
    : kernels_(ChooseKernels(arguments.kernels)), batch_(static_cast<size_t>(arguments.batch)) {
  const Mindir mindir(arguments.model);
  network_ = Network::Make(kernels_, FindOperators(kernels_, mindir));
  const auto side = static_cast<int64_t>(manifest.resolution);
  const size_t inputs = static_cast<size_t>(manifest.channels * side * side), classes = manifest.class_names.size();
  if (network_ == nullptr || mindir.shape != Shape{1, manifest.channels, side, side} || network_->inputs() != inputs ||
      network_->outputs() != classes) {
    throw UserError(arguments.model +
                    ": takes another input or gives another number of outputs than its manifest says");
  }
  Prepare(arguments);
  if (!manifest.probe.logits.empty()) CheckProbe(*network_, manifest.probe, arguments.model);
}

Engine::Engine(const Arguments &arguments, std::shared_ptr<const Network> network, const Kernels &kernels)
    : kernels_(kernels), network_(std::move(network)), batch_(static_cast<size_t>(arguments.batch)) {
  Prepare(arguments);
}

void Engine::Prepare(const Arguments &arguments) {
  team_ = std::make_unique<Team>(arguments.threads);
  memories_.resize(team_->size());
  images_.resize(batch_ * network_->inputs());
  logits_.resize(batch_ * network_->outputs());
}

// Each thread takes whole images if there are enough, else all threads share each image.
const float *Engine::Run() {
  const float *const images = images_.data();
  float *const logits = logits_.data();
  const size_t threads = team_->size(), inputs = network_->inputs(), outputs = network_->outputs();
  if (threads > 1 && batch_ < threads) {
    network_->Run(images, batch_, logits, &memories_[0], team_.get());
    return logits;
  }
  team_->Run([&](size_t part) {
    const Share share = {part, threads};
    const size_t begin = share.Begin(batch_), count = share.End(batch_) - begin;
    network_->Run(images + begin * inputs, count, logits + begin * outputs, &memories_[part]);
  });
  return logits;
}

}  // namespace tinynets
