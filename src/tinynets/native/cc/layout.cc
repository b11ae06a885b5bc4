// Conversion between the framework's maps (images, channels, height, width) and the kernels' channels-last ones, and
// the mean over a map's pixels.
#include <algorithm>

#include "norm.h"
#include "operator.h"

namespace tinynets {
namespace {

// to[image][j][i] = from[image][i][j], i < rows, j < columns, in blocks that stay in the cache.
void transpose(const float *from, float *to, int64_t images, int64_t rows, int64_t columns) {
  const int64_t side = rows < 8 ? 1024 : 32, strips = (columns + side - 1) / side;
  parallel(images * strips, [&](int64_t task) {
    const int64_t base = task / strips * rows * columns, begin = task % strips * side,
                  end = std::min(columns, begin + side);
    for (int64_t i0 = 0; i0 < rows; i0 += 8)  // eight rows are half a cache line of the result
      for (int64_t j = begin; j < end; j += 16)
        for (int64_t i = i0; i < std::min(rows, i0 + 8); i++)
          for (int64_t k = j; k < std::min(end, j + 16); k++) to[base + k * rows + i] = from[base + i * columns + k];
  });
}

// input: x (images, channels, height, width); output: (images, height, width, channels)
void channels_last(const Call &call) {
  const int64_t *s = call.shape(0);
  transpose(call.in(0), call.out(1), s[0], s[1], s[2] * s[3]);
}

// input: x (images, height, width, channels); output: (images, channels, height, width)
void channels_first(const Call &call) {
  const int64_t *s = call.shape(0);
  transpose(call.in(0), call.out(1), s[0], s[1] * s[2], s[3]);
}

// input: x (images, height, width, channels); output: means (images, channels)
void mean(const Call &call) {
  const int64_t *s = call.shape(0), pixels = s[1] * s[2];
  const int channels = static_cast<int>(s[3]);
  const Stretches cut(s[0], pixels);
  float *parts = scratch(SUMS, static_cast<size_t>(cut.count()) * channels);
  parallel(cut.count(), [&](int64_t i) {
    const float *x = call.in(0) + cut.first(i) * channels;
    float *sum = zeros(channels);
    for (int64_t r = 0; r < cut.size(i); r++)
      columns(0, channels, [&](auto v, int c) {
        using V = decltype(v);
        store(sum + c, V(load<V>(sum + c) + load<V>(x + r * channels + c)));
      });
    std::copy(sum, sum + channels, parts + i * channels);
  });
  average(cut.images, cut.per_image, cut.pixels, parts, channels, call.out(1));
}

// inputs: gradient of the means, x (its shape); output: gradient of x
void mean_gradient(const Call &call) {
  const int64_t *s = call.shape(1), pixels = s[1] * s[2];
  const int channels = static_cast<int>(s[3]);
  parallel(s[0], [&](int64_t n) {
    const float share = 1.f / pixels, *d = call.in(0) + n * channels;
    float *dx = call.out(2) + n * pixels * channels;
    for (int64_t r = 0; r < pixels; r++)
      for (int c = 0; c < channels; c++) dx[r * channels + c] = d[c] * share;
  });
}

}  // namespace
}  // namespace tinynets

TINYNETS_OPERATOR(layout_channels_last, tinynets::channels_last)
TINYNETS_OPERATOR(layout_channels_first, tinynets::channels_first)
TINYNETS_OPERATOR(layout_mean, tinynets::mean)
TINYNETS_OPERATOR(layout_mean_gradient, tinynets::mean_gradient)
