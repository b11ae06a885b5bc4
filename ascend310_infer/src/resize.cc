#include "resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "filter.h"

namespace tinynets {
namespace {

constexpr double SUPPORT = 2.0;
constexpr int STRIP = 16;  // rows of a turned image taken at once; a multiple of FOUR

double Bicubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

size_t RoundUp(size_t n, size_t to) { return (n + to - 1) / to * to; }

Taps MakeTaps(int in, int64_t out, int64_t begin, int count) {
  const double scale = in / static_cast<double>(out);
  const double filter_scale = std::max(scale, 1.0);
  const double support = SUPPORT * filter_scale;
  const double step = 1.0 / filter_scale;
  Taps taps;
  taps.stride = RoundUp(static_cast<size_t>(std::ceil(support)) * 2 + 1, FOUR);
  taps.spans.resize(count);
  taps.weights.resize(taps.stride * count);
  std::vector<double> exact(taps.stride);
  for (int i = 0; i < count; i++) {
    const double center = (static_cast<double>(begin + i) + 0.5) * scale;
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

void CopyRows(const View &view, uint8_t *out, size_t stride) {
  constexpr int TILE = 16;  // pixels of a row; of a turned image, rows in memory
  for (int left = 0; left < view.width; left += TILE) {
    const int n = std::min(TILE, view.width - left);
    for (int y = 0; y < view.height; y++) {
      const uint8_t *in = view.rgb + view.down * y + view.right * left;
      uint8_t *to = out + stride * y + size_t{3} * left;
      for (int x = 0; x < n; x++, in += view.right, to += 3) std::memcpy(to, in, 3);
    }
  }
}

// The horizontal pass.
void ResizeRows(const View &view, const Taps &taps, Rows *out) {
  const int first = taps.spans.front().first, last = taps.spans.back().first + taps.spans.back().count;
  const bool in_place = view.right == 3;
  const size_t stride = size_t{3} * (last - first) + SPARE;
  std::vector<uint8_t> strip(in_place ? 0 : stride * STRIP);
  for (int y = 0; y < view.height; y += FOUR) {
    if (!in_place && y % STRIP == 0) {
      CopyRows(view.Cut(first, y, last - first, std::min(STRIP, view.height - y)), strip.data(), stride);
    }
    const uint8_t *rows[FOUR];
    for (int i = 0; i < FOUR; i++) {
      const int row = std::min(y + i, view.height - 1);
      rows[i] = in_place ? view.rgb + view.right * first + view.down * row : &strip[stride * (row % STRIP)];
    }
    FilterRows(rows, taps, &out->rgb[out->stride * y], out->stride);
  }
}

}  // namespace

Rows ResizeAndCut(const View &view, int64_t width, int64_t height, int64_t left, int64_t top, int side) {
  // Horizontally first, as in Pillow, for the rows that the vertical pass needs.
  Taps vertical;
  int first = static_cast<int>(top), last = first + side;
  if (height != view.height) {
    vertical = MakeTaps(view.height, height, top, side);
    first = vertical.spans.front().first;
    last = vertical.spans.back().first + vertical.spans.back().count;
  }
  const size_t stride = RoundUp(size_t{3} * side + 1, SPARE);
  Rows narrow{stride, std::vector<uint8_t>(stride * ((RoundUp(last - first, FOUR) + 1)))};
  if (width != view.width) {
    ResizeRows(view.Cut(0, first, view.width, last - first), MakeTaps(view.width, width, left, side), &narrow);
  } else {
    CopyRows(view.Cut(static_cast<int>(left), first, side, last - first), narrow.rgb.data(), stride);
  }
  if (height == view.height) return narrow;
  Rows square{stride, std::vector<uint8_t>(stride * side)};
  for (int y = 0; y < side; y++) {
    const auto [begin, count] = vertical.spans[y];
    FilterColumns(&narrow.rgb[stride * (begin - first)], stride, &vertical.weights[vertical.stride * y], count,
                  &square.rgb[stride * y], stride);
  }
  return square;
}

}  // namespace tinynets
