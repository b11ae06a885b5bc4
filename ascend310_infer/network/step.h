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
  Step(const Kernels &kernels, const Node &node);

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

  // Values of the first tensor that it reads and of the one that it writes, for one image.
  size_t from() const { return Values(from_); }
  size_t to() const { return Values(to_); }
  size_t means() const { return mean_.empty() ? 0 : static_cast<size_t>(to_.back()); }

  // Whether its weights are more than the maps that they work on: then they are worth reading once for many images.
  bool IsHeavy() const;

  // Where its tensors are: of reads() in that order, of output() and of mean(), if there is one.
  struct Memory {
    const float *read[3] = {};
    float *output = nullptr, *mean = nullptr;
  };
  // A share of the work on a batch, in the thread's scratch memory.
  void Run(const Memory &memory, size_t batch, const Share &share, Scratch *scratch) const;

  // Whether the work is worth more than one thread.
  bool IsShared() const;

  // The mean of one image from the totals that all threads have in their scratch memory after its share of Run.
  void Average(const std::vector<Scratch> &scratch, float *mean) const;

 private:
  static size_t Values(const Shape &shape);
  std::string Residual(const Node &next) const;
  bool CanTakeOver(const Node &next) const;
  void Take(const Node &next, const std::string &residual);

  void RunConvolution(const float *x, size_t batch, float *y, const float *residual, const Share &share,
                      Scratch *scratch) const;
  void RunConcatenation(const float *x, const float *other, size_t batch, float *y, const Share &share) const;
  void RunPadding(const float *x, size_t batch, float *y, const Share &share) const;
  void RunLargest(const float *x, size_t batch, float *y, const Share &share) const;
  void RunChannelsLast(const float *x, size_t batch, float *y, const Share &share, Scratch *scratch) const;
  void RunGate(const float *x, const float *gate, size_t batch, float *y, const float *residual, const Share &share,
               Scratch *scratch) const;
  template <typename Convolve>
  void RunDepthwise(const Convolve &convolve, const float *x, size_t batch, float *y, float *mean, const Share &share,
                    Scratch *scratch) const;

  const Kernels &kernels_;
  Operation operation_;
  std::vector<std::string> inputs_;
  std::string output_, residual_, mean_;
  Shape from_;  // of the first input, for a batch of one
  Shape to_;
  Shape map_;  // of the last convolution's input
  std::shared_ptr<const Convolution> convolution_;
  std::shared_ptr<const Depthwise> depthwise_;
  std::shared_ptr<const Expansion> expansion_;
  Activation activation_;               // of what the last operator but a sum gives
  Activation last_ = Activation::NONE;  // of its sum with a residual
};

}  // namespace tinynets
