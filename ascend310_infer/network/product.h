#pragma once

#include <cstddef>

#include "floats.h"

namespace tinynets {

// Where the values of a channels-last map are: channel c of pixel p is at p * pixel + c / 16 * block + c % 16. As usual
// (pixel: the channels, block: 16), or 16 channels after the other (pixel: 16), where a block's last channels may be none.
struct Layout {
  ptrdiff_t pixel, block;
};

// What becomes of a convolution's sums.
struct Finish {
  bool silu = false;                // x sigmoid(x)
  const float *residual = nullptr;  // then added, laid out as the output; or null
  float *total = nullptr;           // then added up over the pixels, per channel, in whole 16s of channels; or null
};

// A product of a matrix, of which each row is made up of runs of values in memory, by weights, with AVX-512
// (HasElementwise): all convolutions but depthwise ones.
class Product {
 public:
  // Weights (outputs, inputs) and bias (outputs), or null for none; both are copied.
  Product(size_t inputs, size_t outputs, const float *weights, const float *bias);

  struct Rows {
    const float *x;
    size_t lines, count;    // lines of so many rows each
    ptrdiff_t line, row;    // from one to the next
    size_t runs, length;    // of a row's values: inputs = runs * length
    ptrdiff_t run;          // from one to the next
  };

  // All rows to y, one line after the other; of the outputs only a share. No totals.
  void operator()(const Rows &rows, float *y, const Layout &layout, const Finish &finish, const Share &share = {}) const;

  size_t inputs() const { return inputs_; }
  size_t outputs() const { return outputs_; }

 private:
  size_t inputs_, outputs_;
  Floats packed_;  // panel by panel of some 16 outputs: their bias, then their weights input by input
};

}  // namespace tinynets
