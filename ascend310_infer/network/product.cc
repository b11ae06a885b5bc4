// Outputs are computed in tiles of rows by panels of a few times 16 output channels.
#include "product.h"

#include <algorithm>

namespace tinynets {
namespace {

// The number of vectors of the next panel, of `left` vectors of outputs: two, but three rather than one at the end.
size_t Vectors(size_t left, size_t most) { return std::min(most, left == 1 || left == 3 ? left : 2); }

size_t Parts(size_t whole, size_t most) { return (whole + most - 1) / most; }

}  // namespace

Product::Product(const Kernels &kernels, size_t inputs, size_t outputs, const float *weights, const float *bias)
    : kernels_(kernels), inputs_(inputs), outputs_(outputs) {
  const size_t vectors = Parts(outputs, LANES);
  packed_ = Floats((1 + inputs) * vectors * LANES);
  float *to = packed_.data();
  for (size_t v = 0, width; v < vectors; v += width) {
    width = Vectors(vectors - v, kernels_.vectors);
    const size_t from = v * LANES, there = std::min(outputs - from, width * LANES);
    for (size_t c = 0; c < there; c++) {
      to[c] = bias == nullptr ? 0.f : bias[from + c];
      for (size_t i = 0; i < inputs; i++) to[(1 + i) * width * LANES + c] = weights[(from + c) * inputs + i];
    }
    to += (1 + inputs) * width * LANES;
  }
}

void Product::operator()(const Rows &rows, float *y, const Layout &layout, const Finish &finish,
                         const Share &share) const {
  const size_t vectors = Parts(outputs_, LANES);
  const float *panel = packed_.data();
  const bool whole = layout.block != static_cast<ptrdiff_t>(LANES);
  const size_t begin = share.Begin(vectors), end = share.End(vectors);
  for (size_t v = 0, width; v < end; v += width) {
    width = Vectors(vectors - v, kernels_.vectors);
    if (v < begin) {  // the panel belongs to the share in which it begins
      panel += (1 + inputs_) * width * LANES;
      continue;
    }
    const size_t count = Parts(rows.count, Parts(rows.count, kernels_.rows[width])), from = v * LANES;
    const size_t last = whole ? LANES : std::min(LANES, outputs_ - from - (width - 1) * LANES);
    const auto make = kernels_.tile(width, count);
    const float *const next = panel + (1 + inputs_) * width * LANES, *ahead = next;
    for (size_t line = 0; line < rows.lines; line++) {
      for (size_t r = 0; r < rows.count; r += count) {
        const auto first = static_cast<ptrdiff_t>(std::min(r, rows.count - count));  // the last one may overlap
        const ptrdiff_t pixel = static_cast<ptrdiff_t>(line * rows.count) + first;
        const ptrdiff_t at = pixel * layout.pixel + static_cast<ptrdiff_t>(v) * layout.block;
        Finish here = finish;
        if (finish.residual != nullptr) here.residual += at;
        make({rows.x + static_cast<ptrdiff_t>(line) * rows.line + first * rows.row, y + at, panel, rows.row, rows.run,
              rows.runs, rows.length, layout, last, ahead, here});
        ahead += inputs_ * LANES;
      }
    }
    panel = next;
  }
}

}  // namespace tinynets
