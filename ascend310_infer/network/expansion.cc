#include "expansion.h"

#include <algorithm>
#include <utility>

namespace tinynets {
namespace {

constexpr size_t CACHED = 65536;  // values between the two convolutions, which stay in a core's L2 cache

}  // namespace

Expansion::Expansion(std::shared_ptr<const Convolution> widen, Activation activation,
                     std::shared_ptr<const Depthwise> convolve)
    : widen_(std::move(widen)), activation_(activation), convolve_(std::move(convolve)) {}

void Expansion::operator()(const float *x, size_t height, size_t width, float *y, const Finish &finish,
                           const Share &share, Scratch *scratch) const {
  const size_t half = convolve_->kernel() / 2, stride = convolve_->stride(), channels = convolve_->channels();
  const size_t outputs = share.End(convolve_->Outputs(height)), from = width * widen_->inputs(), row = width * LANES;
  const size_t blocks = (channels + LANES - 1) / LANES;
  const size_t most = std::min(height, std::max(convolve_->kernel() + stride, CACHED / (row * blocks)));
  const Layout layout = {LANES, static_cast<ptrdiff_t>(most * row)};
  Finish between;
  between.activation = activation_;
  float *const rows = Scratch::Room(&scratch->values, blocks * most * row);  // of 16 channels, then of the next
  const size_t start = share.Begin(convolve_->Outputs(height)), made_of = convolve_->Outputs(width) * channels;
  size_t held = start * stride > half ? start * stride - half : 0, made = held;  // input rows in memory: [held, made)
  for (size_t begin = start, end; begin < outputs; begin = end) {
    const size_t first = begin * stride > half ? begin * stride - half : 0;
    if (first > held) {
      for (size_t b = 0; b < blocks; b++) {
        float *const block = rows + b * most * row;
        std::move(block + (first - held) * row, block + (made - held) * row, block);
      }
      held = first;
    }
    end = held + most < height ? std::min(outputs, (held + most - 1 - half) / stride + 1) : outputs;
    const size_t needed = std::min(height, (end - 1) * stride + half + 1);
    widen_->Pixels(x + made * from, (needed - made) * width, rows + (made - held) * row, layout, between);
    made = needed;
    (*convolve_)(rows, layout, {height, width, held, begin, end}, y + begin * made_of, finish);
  }
}

}  // namespace tinynets
