#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "expansion.h"
#include "operation.h"

namespace tinynets {

// A step of a network: an operator, and following ones that are fused into it, so that the maps between them stay in
// the processor's nearest cache.
class Step {
 public:
  Step(const Kernels &kernels, const Node &node);

  // Fuses `next`, the only reader of its output, into this step if possible; returns whether it did. `known` tells
  // whether a tensor exists when this step runs.
  template <typename Known>
  bool TakeOver(const Node &next, const Known &known) {
    const std::string residual = Residual(next);
    if (!CanTakeOver(next) || (next.operation.kind == Operation::ADD && (residual == output_ || !known(residual)))) {
      return false;
    }
    Take(next, residual);
    return true;
  }

  // Fuses `reader`, one of several readers of its output, into this step if possible; returns whether it did.
  bool TakeAlong(const Node &reader);

  // The names of the tensors that it reads, of the output of its last operator, and of the mean that it may write.
  std::vector<std::string> reads() const;
  const std::string &output() const { return output_; }
  const std::string &mean() const { return mean_; }

  // Numbers of values per image of the first tensor that it reads and of its output.
  size_t from() const { return Values(from_); }
  size_t to() const { return Values(to_); }
  size_t means() const { return mean_.empty() ? 0 : static_cast<size_t>(to_.back()); }

  // Whether its weights are larger than its maps: then it is better to read them once for many images.
  bool IsHeavy() const;

  // The places of its tensors: reads() in that order, output(), and mean() if there is one.
  struct Memory {
    const float *read[3] = {};
    float *output = nullptr, *mean = nullptr;
  };
  // Does a share of the work on a batch, with the thread's scratch memory.
  void Run(const Memory &memory, size_t batch, const Share &share, Scratch *scratch) const;

  // Whether the work is large enough for several threads.
  bool IsShared() const;

  // Computes the mean of one image from the totals in all threads' scratch memory after Run.
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
  Activation activation_;               // of the result of the last operator before a sum
  Activation last_ = Activation::NONE;  // of its sum with a residual
};

}  // namespace tinynets
