#pragma once

#include <cstddef>
#include <memory>

#include "convolution.h"
#include "depthwise.h"
#include "floats.h"

namespace tinynets {

// The first half of an inverted residual block: a pointwise convolution, its activation, a depthwise one. The map
// between them, the widest of a network, is made a few rows at a time and never leaves the processor's cache.
class Expansion {
 public:
  Expansion(std::shared_ptr<const Convolution> widen, Activation activation, std::shared_ptr<const Depthwise> convolve);

  // x (height, width, inputs) to y (height out, width out, channels), or a share of it.
  void operator()(const float *x, size_t height, size_t width, float *y, const Finish &finish, const Share &share,
                  Scratch *scratch) const;

 private:
  const std::shared_ptr<const Convolution> widen_;
  const Activation activation_;
  const std::shared_ptr<const Depthwise> convolve_;
};

}  // namespace tinynets
