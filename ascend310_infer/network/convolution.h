#pragma once

#include <cstddef>

#include "floats.h"
#include "product.h"

namespace tinynets {

// A convolution of channels-last maps that is not depthwise: odd kernel, padded by half of it with zeros, so that the
// output has (side - 1) / stride + 1 rows or columns.
class Convolution {
 public:
  // Weights (outputs, kernel, kernel, inputs) and bias (outputs) or null; both are copied.
  Convolution(const Kernels &kernels, size_t kernel, size_t stride, size_t inputs, size_t outputs, const float *weights,
              const float *bias);

  // Distances between the values of a map in memory.
  struct Strides {
    ptrdiff_t row, pixel, channel;
  };

  // x (height, width, inputs), in the order of `strides`, to y (height out, width out, outputs), or a share of it.
  void operator()(const float *x, size_t height, size_t width, const Strides &strides, float *y, const Finish &finish,
                  const Share &share, Scratch *scratch) const;

  // For kernel 1 and stride 1: x (pixels, inputs) to y (pixels, outputs) in a layout.
  void Pixels(const float *x, size_t pixels, float *y, const Layout &layout, const Finish &finish,
              const Share &share = {}) const;

  const Kernels &kernels() const { return product_.kernels(); }
  size_t weights() const { return product_.inputs() * product_.outputs(); }
  size_t kernel() const { return kernel_; }
  bool pointwise() const { return kernel_ == 1 && stride_ == 1; }
  size_t inputs() const { return inputs_; }
  size_t outputs() const { return product_.outputs(); }
  size_t Outputs(size_t side) const { return (side - 1) / stride_ + 1; }

 private:
  size_t kernel_, stride_, inputs_;
  Product product_;
};

}  // namespace tinynets
