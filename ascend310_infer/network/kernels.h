#pragma once

#include <cstddef>
#include <string>

namespace tinynets {

constexpr size_t LANES = 16;  // values of a vector, in one register or in several

enum class Activation { NONE, RELU, RELU6, SIGMOID, SILU, HARD_SWISH };

// The order of a channels-last map in memory: channel c of pixel p is at p * pixel + c / 16 * block + c % 16. Either as
// usual (pixel: the channels, block: 16), or in blocks of 16 channels (pixel: 16), the last of which may be padded.
struct Layout {
  ptrdiff_t pixel, block;
};

// The operations on a convolution's sums, in this order.
struct Finish {
  Activation activation = Activation::NONE;
  const float *residual = nullptr;     // added next, in the output's layout; or null
  Activation last = Activation::NONE;  // of that sum
  float *total = nullptr;              // sums over the pixels per channel, in whole 16s of channels; or null
};

// The product of some rows of a matrix and the weights of a panel: some vectors of outputs.
struct Tile {
  const float *x;
  float *y;
  const float *panel;  // a bias for every output, then weights for every output, input by input
  ptrdiff_t row, run;  // from one row to the next, and from one run of its values to the next
  size_t runs, length;
  Layout layout;       // of y
  size_t last;         // outputs of the panel's last vector
  const float *ahead;  // prefetched into the cache, one line per input
  Finish finish;       // its residual as y
};

// A row of a depthwise convolution, of at most 16 channels.
struct Row {
  const float *x;  // the pixel under the first output's first tap, at column 0
  float *y;
  const float *packed;        // a bias for every channel, then weights for every channel, tap by tap
  ptrdiff_t width, from, to;  // columns of x, and from one pixel to the next in x and in y
  int first, last;            // kernel rows within the map
  size_t read, lanes;         // channels of x and of y
  Activation activation;
  float *total;  // or null
};

// A window on a channels-last map.
struct Window {
  size_t kernel, stride, width, channels;
};

// The kernels compiled for an instruction set. Lengths n and numbers of channels may be any.
struct Kernels {
  const char *name;

  // Tiles by the number of vectors of a panel and of rows, at most `rows[v]` for v of 1 to `vectors`.
  size_t vectors, rows[4];
  using MakeTile = void (*)(const Tile &);
  MakeTile (*tile)(size_t vectors, size_t rows);

  // Rows by kernel (3 or 5), stride (1 or 2) and number of outputs at once, at most `outputs`; called with the columns.
  size_t outputs;
  using MakeRow = void (*)(const Row &, ptrdiff_t columns);
  MakeRow (*row)(size_t kernel, size_t stride, size_t outputs);

  // y = activation(scale x + shift) of n values; sigmoids to 5e-7 relative for |x| <= 20.
  void (*affine)(const float *x, float scale, float shift, Activation activation, float *y, size_t n);

  // y = activation(x + other), x * other of n values.
  void (*add)(const float *x, const float *other, Activation activation, float *y, size_t n);
  void (*multiply)(const float *x, const float *other, float *y, size_t n);

  // y[r][c] = x[r][c] gate[c] of `rows` rows of n values.
  void (*gate)(const float *x, const float *gate, float *y, size_t rows, size_t n);

  // mean[c] = the mean of x[r][c] over the rows.
  void (*mean)(const float *x, float *mean, size_t rows, size_t n);

  // y (rows, (width - kernel) / stride + 1, channels) = the largest values of x (any height, width, channels) under a
  // window.
  void (*largest)(const float *x, const Window &window, float *y, size_t rows);
};

// The kernels for an instruction set, or null if this processor does not have it.
const Kernels *Avx512();
const Kernels *Avx2();

// The kernels for the instruction set of that name, or the fastest ones; null if there are none.
inline const Kernels *FindKernels(const std::string &name = "") {
  for (const Kernels *kernels : {Avx512(), Avx2()}) {
    if (kernels != nullptr && (name.empty() || name == kernels->name)) return kernels;
  }
  return nullptr;
}

}  // namespace tinynets
