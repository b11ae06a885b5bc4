#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "expansion.h"
#include "operation.h"

namespace tinynets {

// What a network does at once: an operator, and those after it whose work it takes over, so that what is between them
// stays in the processor's nearest cache.
class Step {
 public:
  explicit Step(const Node &node);

  // Whether it can do the work of `next`, which alone reads what it writes, and does it from now on. `known` says of a
  // tensor whether it is there when this step runs.
  template <typename Known>
  bool TakeOver(const Node &next, const Known &known) {
    const std::string residual = Residual(next);
    if (!CanTakeOver(next) || (next.operation.kind == Operation::ADD && (residual == output_ || !known(residual)))) {
      return false;
    }
    Take(next, residual);
    return true;
  }

  // Whether it can do the work of `reader`, one of those that read what it writes, and does it from now on.
  bool TakeAlong(const Node &reader);

  // The tensors' names: those that it reads, the one that it writes for its last operator, the other that it may write.
  std::vector<std::string> reads() const;
  const std::string &output() const { return output_; }
  const std::string &mean() const { return mean_; }

  // Values of a tensor that it reads or writes, for one image, and values of its weights.
  size_t from() const { return Values(from_); }
  size_t to() const { return Values(to_); }
  size_t weights() const;
  size_t means() const { return mean_.empty() ? 0 : static_cast<size_t>(to_.back()); }

  // Where its tensors are: of reads() in that order, of output() and of mean(), if there is one.
  struct Memory {
    const float *read[3] = {};
    float *output = nullptr, *mean = nullptr;
  };
  void Run(const Memory &memory, size_t batch);

 private:
  static size_t Values(const Shape &shape);
  std::string Residual(const Node &next) const;
  bool CanTakeOver(const Node &next) const;
  void Take(const Node &next, const std::string &residual);
  bool silu() const { return expansion_ == nullptr ? silu_ : silu_after_; }

  void RunConvolution(const float *x, size_t batch, float *y, const float *residual);
  void RunChannelsLast(const float *x, size_t batch, float *y);
  void RunGate(const float *x, const float *gate, size_t batch, float *y, const float *residual);
  template <typename Convolve>
  void RunDepthwise(Convolve &convolve, const float *x, size_t batch, float *y, float *mean);

  const Operation operation_;
  std::vector<std::string> inputs_;
  std::string output_, residual_, mean_;
  const Shape from_;  // of the first input, for a batch of one
  Shape to_;
  Shape map_;  // of the last convolution's input
  std::shared_ptr<Convolution> convolution_;
  std::shared_ptr<const Depthwise> depthwise_;
  std::unique_ptr<Expansion> expansion_;
  bool silu_ = false, silu_after_ = false;
  std::vector<float> gated_, totals_;
};

}  // namespace tinynets
