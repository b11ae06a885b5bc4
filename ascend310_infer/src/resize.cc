#include "resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tinynets {
namespace {

// Pillow's fixed point: 32 bits, of which 8 for the pixel and 2 to spare.
constexpr int PRECISION = 32 - 8 - 2;
constexpr double SUPPORT = 2.0;

double Bicubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

// For each output pixel the input pixels it is made of, and their weights.
struct Taps {
  struct Span {
    int first, count;
  };
  std::vector<Span> spans;
  std::vector<int32_t> weights;  // `stride` for each output pixel
  size_t stride;
};

Taps MakeTaps(int in, int out, int begin, int count) {
  const double scale = static_cast<double>(in) / out;
  const double filter_scale = std::max(scale, 1.0);
  const double support = SUPPORT * filter_scale;
  const double step = 1.0 / filter_scale;
  Taps taps;
  taps.stride = static_cast<size_t>(std::ceil(support)) * 2 + 1;
  taps.spans.resize(count);
  taps.weights.resize(taps.stride * count);
  std::vector<double> exact(taps.stride);
  for (int i = 0; i < count; i++) {
    const double center = (begin + i + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(center - support + 0.5));
    const int n = std::min(in, static_cast<int>(center + support + 0.5)) - first;
    double sum = 0;
    for (int k = 0; k < n; k++) sum += exact[k] = Bicubic((k + first - center + 0.5) * step);
    for (int k = 0; k < n; k++) {
      const double weight = (sum != 0.0 ? exact[k] / sum : exact[k]) * (1 << PRECISION);
      taps.weights[taps.stride * i + k] = static_cast<int32_t>(weight + (weight < 0 ? -0.5 : 0.5));
    }
    taps.spans[i] = {first, n};
  }
  return taps;
}

uint8_t Clip(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> PRECISION, 0, 255)); }

constexpr int32_t HALF = 1 << (PRECISION - 1);

void ResizeRow(const uint8_t *in, const Taps &taps, uint8_t *out) {
  const int32_t *weights = taps.weights.data();
  for (const auto &[first, count] : taps.spans) {
    const uint8_t *pixel = in + 3 * static_cast<size_t>(first);
    int32_t r = HALF, g = HALF, b = HALF;
    for (int k = 0; k < count; k++, pixel += 3) {
      r += pixel[0] * weights[k];
      g += pixel[1] * weights[k];
      b += pixel[2] * weights[k];
    }
    *out++ = Clip(r);
    *out++ = Clip(g);
    *out++ = Clip(b);
    weights += taps.stride;
  }
}

}  // namespace

std::vector<uint8_t> ResizeAndCut(const View &view, int width, int height, int left, int top, int side) {
  const size_t row = size_t{3} * side;
  // Horizontally first, as Pillow does, of the rows that the vertical pass needs.
  Taps vertical;
  int first = top, last = top + side;
  if (height != view.height) {
    vertical = MakeTaps(view.height, height, top, side);
    first = vertical.spans.front().first;
    last = vertical.spans.back().first + vertical.spans.back().count;
  }
  std::vector<uint8_t> narrow(row * (last - first));
  if (width != view.width) {
    const Taps taps = MakeTaps(view.width, width, left, side);
    for (int y = first; y < last; y++) ResizeRow(view.rgb + view.stride * y, taps, &narrow[row * (y - first)]);
  } else {
    for (int y = first; y < last; y++) {
      std::memcpy(&narrow[row * (y - first)], view.rgb + view.stride * y + size_t{3} * left, row);
    }
  }
  if (height == view.height) return narrow;
  std::vector<uint8_t> square(row * side);
  std::vector<int32_t> sums(row);
  for (int y = 0; y < side; y++) {
    std::fill(sums.begin(), sums.end(), HALF);
    const auto [begin, count] = vertical.spans[y];
    for (int k = 0; k < count; k++) {
      const uint8_t *in = &narrow[row * (begin + k - first)];
      const int32_t weight = vertical.weights[vertical.stride * y + k];
      for (size_t i = 0; i < row; i++) sums[i] += in[i] * weight;
    }
    for (size_t i = 0; i < row; i++) square[row * y + i] = Clip(sums[i]);
  }
  return square;
}

}  // namespace tinynets
