#include "convolution.h"

#include <algorithm>

namespace tinynets {
namespace {

constexpr size_t CACHED = 32768;  // input values that are used for all outputs before the next ones

}  // namespace

Convolution::Convolution(size_t kernel, size_t stride, size_t inputs, size_t outputs, const float *weights,
                         const float *bias)
    : kernel_(kernel), stride_(stride), inputs_(inputs), product_(kernel * kernel * inputs, outputs, weights, bias) {}

void Convolution::Pixels(const float *x, size_t pixels, float *y, const Layout &layout, const Finish &finish) const {
  const size_t most = std::max<size_t>(64, CACHED / inputs_);
  const auto from = static_cast<ptrdiff_t>(inputs_);
  for (size_t begun = 0; begun < pixels; begun += most) {
    const size_t here = std::min(most, pixels - begun);
    const auto at = static_cast<ptrdiff_t>(begun) * layout.pixel;
    Finish part = finish;
    if (finish.residual != nullptr) part.residual += at;
    product_({x + begun * inputs_, 1, here, 0, from, 1, inputs_, 0}, y + at, layout, part);
  }
}

void Convolution::operator()(const float *x, size_t height, size_t width, float *y, const Finish &finish) {
  const auto channels = static_cast<ptrdiff_t>(inputs_), row = static_cast<ptrdiff_t>(width) * channels;
  (*this)(x, height, width, {row, channels, 1}, y, finish);
}

void Convolution::operator()(const float *x, size_t height, size_t width, const Strides &strides, float *y,
                             const Finish &finish) {
  const Layout layout = {static_cast<ptrdiff_t>(outputs()), 16};
  const bool usual = strides.channel == 1 && strides.pixel == static_cast<ptrdiff_t>(inputs_) &&
                     strides.row == static_cast<ptrdiff_t>(width) * strides.pixel;
  if (pointwise() && usual) return Pixels(x, height * width, y, layout, finish);
  // Rows with their padding, so that what an output sees are runs of `kernel` pixels.
  const size_t half = kernel_ / 2, row = (width + 2 * half) * inputs_;
  padded_.assign((height + 2 * half) * row, 0.f);
  for (size_t r = 0; r < height; r++) {
    float *to = &padded_[(r + half) * row + half * inputs_];
    const float *const from = x + static_cast<ptrdiff_t>(r) * strides.row;
    if (strides.channel == 1 && strides.pixel == static_cast<ptrdiff_t>(inputs_)) {
      std::copy_n(from, width * inputs_, to);
      continue;
    }
    for (size_t c = 0; c < inputs_; c++) {
      const float *pixel = from + static_cast<ptrdiff_t>(c) * strides.channel;
      for (size_t i = 0; i < width; i++, pixel += strides.pixel) to[i * inputs_ + c] = *pixel;
    }
  }
  const size_t rows = (height - 1) / stride_ + 1, columns = (width - 1) / stride_ + 1;
  const size_t most = std::max<size_t>(1, CACHED / (stride_ * row));  // of output rows at a time
  const auto line = static_cast<ptrdiff_t>(stride_ * row), pixel = static_cast<ptrdiff_t>(stride_ * inputs_);
  for (size_t begun = 0; begun < rows; begun += most) {
    const size_t at = begun * columns * outputs();
    Finish part = finish;
    if (finish.residual != nullptr) part.residual += at;
    product_({&padded_[begun * stride_ * row], std::min(most, rows - begun), columns, line, pixel, kernel_,
              kernel_ * inputs_, static_cast<ptrdiff_t>(row)}, y + at, layout, part);
  }
}

}  // namespace tinynets
