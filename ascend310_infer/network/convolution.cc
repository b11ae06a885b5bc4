#include "convolution.h"

#include <algorithm>

namespace tinynets {
namespace {

constexpr size_t CACHED = 32768;  // input values used for all outputs before the next ones
constexpr size_t FEW = 8;         // pixels that are too few for a thread

}  // namespace

Convolution::Convolution(const Kernels &kernels, size_t kernel, size_t stride, size_t inputs, size_t outputs,
                         const float *weights, const float *bias)
    : kernel_(kernel),
      stride_(stride),
      inputs_(inputs),
      product_(kernels, kernel * kernel * inputs, outputs, weights, bias) {}

void Convolution::Pixels(const float *x, size_t pixels, float *y, const Layout &layout, const Finish &finish,
                         const Share &share) const {
  const bool outputs = pixels < FEW * share.parts;  // divide the outputs, else the pixels
  const size_t end = outputs ? pixels : share.End(pixels), most = std::max<size_t>(64, CACHED / inputs_);
  const auto from = static_cast<ptrdiff_t>(inputs_);
  for (size_t begun = outputs ? 0 : share.Begin(pixels); begun < end; begun += most) {
    const size_t here = std::min(most, end - begun);
    const auto at = static_cast<ptrdiff_t>(begun) * layout.pixel;
    Finish part = finish;
    if (finish.residual != nullptr) part.residual += at;
    product_({x + begun * inputs_, 1, here, 0, from, 1, inputs_, 0}, y + at, layout, part, outputs ? share : Share());
  }
}

void Convolution::operator()(const float *x, size_t height, size_t width, const Strides &strides, float *y,
                             const Finish &finish, const Share &share, Scratch *scratch) const {
  const Layout layout = {static_cast<ptrdiff_t>(outputs()), LANES};
  const bool joined = strides.channel == 1 && strides.pixel == static_cast<ptrdiff_t>(inputs_);
  if (pointwise() && joined && strides.row == static_cast<ptrdiff_t>(width) * strides.pixel) {
    return Pixels(x, height * width, y, layout, finish, share);
  }
  const size_t columns = Outputs(width), half = kernel_ / 2, row = (width + 2 * half) * inputs_;
  const size_t most = std::max<size_t>(1, CACHED / (stride_ * row)), end = share.End(Outputs(height));
  for (size_t begun = share.Begin(Outputs(height)), here; begun < end; begun += here) {
    here = std::min(most, end - begun);
    // The rows that these outputs read, with padding, so that each output reads runs of `kernel` pixels.
    const size_t top = begun * stride_, rows = (here - 1) * stride_ + kernel_;  // top: of the padded map
    float *const padded = Scratch::Room(&scratch->values, rows * row);
    std::fill_n(padded, rows * row, 0.f);
    for (size_t r = 0; r < rows; r++) {
      if (top + r < half || top + r >= half + height) continue;
      float *const to = padded + r * row + half * inputs_;
      const float *const from = x + static_cast<ptrdiff_t>(top + r - half) * strides.row;
      if (joined) {
        std::copy_n(from, width * inputs_, to);
        continue;
      }
      for (size_t c = 0; c < inputs_; c++) {
        const float *pixel = from + static_cast<ptrdiff_t>(c) * strides.channel;
        for (size_t i = 0; i < width; i++, pixel += strides.pixel) to[i * inputs_ + c] = *pixel;
      }
    }
    const size_t at = begun * columns * outputs();
    Finish part = finish;
    if (finish.residual != nullptr) part.residual += at;
    product_({padded, here, columns, static_cast<ptrdiff_t>(stride_ * row), static_cast<ptrdiff_t>(stride_ * inputs_),
              kernel_, kernel_ * inputs_, static_cast<ptrdiff_t>(row)},
             y + at, layout, part);
  }
}

}  // namespace tinynets
