#pragma once

#include <cstddef>

#include "floats.h"
#include "kernels.h"

namespace tinynets {

// The product of a matrix, each row of which is runs of values in memory, and weights: all convolutions but depthwise
// ones.
class Product {
 public:
  // Weights (outputs, inputs) and bias (outputs) or null; both are copied.
  Product(const Kernels &kernels, size_t inputs, size_t outputs, const float *weights, const float *bias);

  struct Rows {
    const float *x;
    size_t lines, count;  // `lines` lines of `count` rows each
    ptrdiff_t line, row;  // from one to the next
    size_t runs, length;  // of a row's values: inputs = runs * length
    ptrdiff_t run;        // from one to the next
  };

  // All rows to y, one line after the other; only a share of the outputs. No totals.
  void operator()(const Rows &rows, float *y, const Layout &layout, const Finish &finish,
                  const Share &share = {}) const;

  const Kernels &kernels() const { return kernels_; }
  size_t inputs() const { return inputs_; }
  size_t outputs() const { return outputs_; }

 private:
  const Kernels &kernels_;
  size_t inputs_, outputs_;
  Floats packed_;  // panel by panel: the outputs' bias, then their weights input by input
};

}  // namespace tinynets
