#pragma once

#include <cstddef>
#include <vector>

namespace tinynets {

// A depthwise convolution of channels-last maps with AVX-512 (HasElementwise): odd kernel, padded by half of it with
// zeros, so that the output has (side - 1) / stride + 1 rows or columns.
class Depthwise {
 public:
  static bool Covers(size_t kernel, size_t stride) {
    return (kernel == 3 || kernel == 5) && (stride == 1 || stride == 2);
  }

  // Weights (channels, kernel, kernel) and bias (channels), or null for none; both are copied.
  Depthwise(size_t kernel, size_t stride, size_t channels, const float *weights, const float *bias);

  // x (height, width, channels) to y (height out, width out, channels).
  void operator()(const float *x, size_t height, size_t width, float *y) const;

 private:
  size_t kernel_, stride_, channels_;
  std::vector<float> packed_;  // for every 16 channels: their bias, then their weights tap by tap
};

}  // namespace tinynets
