#pragma once

#include <cstddef>

#include "floats.h"
#include "kernels.h"

namespace tinynets {

// A depthwise convolution of channels-last maps: odd kernel, padded by half of it with zeros, so that the output has
// (side - 1) / stride + 1 rows or columns.
class Depthwise {
 public:
  static bool Covers(size_t kernel, size_t stride) {
    return (kernel == 3 || kernel == 5) && (stride == 1 || stride == 2);
  }

  // Weights (channels, kernel, kernel) and bias (channels) or null; both are copied.
  Depthwise(const Kernels &kernels, size_t kernel, size_t stride, size_t channels, const float *weights,
            const float *bias);

  // Output rows [begin, end) of a map, with input rows from `held` on in memory.
  struct Part {
    size_t height, width, held, begin, end;
  };

  // x (rows from held on, width, channels), in a layout, to y (end - begin, width out, channels). No residual.
  void operator()(const float *x, const Layout &layout, const Part &part, float *y, const Finish &finish) const;

  // x (height, width, channels) to y (height out, width out, channels), or a share of it.
  void operator()(const float *x, size_t height, size_t width, float *y, const Finish &finish, const Share &share,
                  Scratch *) const {
    const Layout usual = {static_cast<ptrdiff_t>(channels_), LANES};
    const Part part = {height, width, 0, share.Begin(Outputs(height)), share.End(Outputs(height))};
    (*this)(x, usual, part, y + part.begin * Outputs(width) * channels_, finish);
  }

  size_t Outputs(size_t side) const { return (side - 1) / stride_ + 1; }
  size_t weights() const { return kernel_ * kernel_ * channels_; }
  size_t kernel() const { return kernel_; }
  size_t stride() const { return stride_; }
  size_t channels() const { return channels_; }

 private:
  const Kernels &kernels_;
  size_t kernel_, stride_, channels_;
  Floats packed_;  // for every 16 channels: their bias, then their weights tap by tap
};

}  // namespace tinynets
