#include "depthwise.h"

#include <algorithm>

namespace tinynets {

Depthwise::Depthwise(const Kernels &kernels, size_t kernel, size_t stride, size_t channels, const float *weights,
                     const float *bias)
    : kernels_(kernels), kernel_(kernel), stride_(stride), channels_(channels) {
  const size_t taps = kernel * kernel, blocks = (channels + LANES - 1) / LANES;
  packed_ = Floats(blocks * (1 + taps) * LANES);
  for (size_t c = 0; c < channels; c++) {
    float *const to = packed_.data() + c / LANES * (1 + taps) * LANES + c % LANES;
    to[0] = bias == nullptr ? 0.f : bias[c];
    for (size_t t = 0; t < taps; t++) to[(1 + t) * LANES] = weights[c * taps + t];
  }
}

void Depthwise::operator()(const float *x, const Layout &layout, const Part &part, float *y,
                           const Finish &finish) const {
  const size_t columns = Outputs(part.width), most = kernels_.outputs, pieces = (columns + most - 1) / most;
  const auto make = kernels_.row(kernel_, stride_, (columns + pieces - 1) / pieces);
  const auto height = static_cast<ptrdiff_t>(part.height), held = static_cast<ptrdiff_t>(part.held);
  const auto kernel = static_cast<ptrdiff_t>(kernel_);
  Row row{};
  row.width = static_cast<ptrdiff_t>(part.width);
  row.from = layout.pixel;
  row.to = static_cast<ptrdiff_t>(channels_);
  row.activation = finish.activation;
  for (size_t c = 0; c < channels_; c += LANES) {
    row.lanes = std::min(LANES, channels_ - c);
    row.read = layout.block == static_cast<ptrdiff_t>(LANES) ? row.lanes : LANES;
    row.packed = packed_.data() + c / LANES * (1 + kernel_ * kernel_) * LANES;
    row.total = finish.total == nullptr ? nullptr : finish.total + c;
    const float *const from = x + static_cast<ptrdiff_t>(c / LANES) * layout.block;
    for (size_t o = part.begin; o < part.end; o++) {
      const ptrdiff_t top = static_cast<ptrdiff_t>(o * stride_) - kernel / 2;
      row.x = from + (top - held) * row.width * row.from;
      row.y = y + (o - part.begin) * columns * channels_ + c;
      row.first = static_cast<int>(std::max<ptrdiff_t>(0, -top));
      row.last = static_cast<int>(std::min(kernel, height - top));
      make(row, static_cast<ptrdiff_t>(columns));
    }
  }
}

}  // namespace tinynets
