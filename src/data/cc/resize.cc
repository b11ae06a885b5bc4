#include "resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace tinynets {
namespace {

// Pillow's fixed point: 32 bits, of which 8 for the pixel and 2 to spare.
constexpr int PRECISION = 32 - 8 - 2;
constexpr int32_t HALF = 1 << (PRECISION - 1);
constexpr double SUPPORT = 2.0;
#ifdef __AVX512F__
constexpr int GROUP = 16;  // bytes worked on together, whose sums fill a register
#else
constexpr int GROUP = 8;
#endif
constexpr int PIXELS = GROUP / 4;

using Bytes = uint8_t __attribute__((vector_size(GROUP)));
using Halves = uint16_t __attribute__((vector_size(GROUP * 2)));
using Pixels = int32_t __attribute__((vector_size(GROUP)));
using Sums = int32_t __attribute__((vector_size(GROUP * 4)));

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

  Taps(int in, float begin, float end, int out) : spans(out) {
    const double scale = static_cast<double>(end - begin) / out;
    const double filter_scale = std::max(scale, 1.0);
    const double support = SUPPORT * filter_scale;
    const double step = 1.0 / filter_scale;
    stride = static_cast<size_t>(std::ceil(support)) * 2 + 1;
    weights.resize(stride * out);
    std::vector<double> exact(stride);
    for (int i = 0; i < out; i++) {
      const double center = begin + (i + 0.5) * scale;
      const int first = std::max(0, static_cast<int>(center - support + 0.5));
      const int n = std::min(in, static_cast<int>(center + support + 0.5)) - first;
      double sum = 0;
      for (int k = 0; k < n; k++) sum += exact[k] = Bicubic((k + first - center + 0.5) * step);
      for (int k = 0; k < n; k++) {
        const double weight = (sum != 0.0 ? exact[k] / sum : exact[k]) * (1 << PRECISION);
        weights[stride * i + k] = static_cast<int32_t>(weight + (weight < 0 ? -0.5 : 0.5));
      }
      spans[i] = {first, n};
    }
  }
};

int32_t Load(const uint8_t *pixel) {
  int32_t all;
  std::memcpy(&all, pixel, 4);
  return all;
}

// In two steps: GCC 12 makes one of four times the width element by element.
Sums Widen(Bytes bytes) { return __builtin_convertvector(__builtin_convertvector(bytes, Halves), Sums); }

Bytes Clip(Sums sums) {
  sums >>= PRECISION;
  sums = sums < 0 ? Sums{} : sums;
  sums = sums > 255 ? Sums{} + 255 : sums;
  return __builtin_convertvector(sums, Bytes);
}

// A few rows at once: a pixel of each fills the lanes. `rows` may repeat one where fewer are left.
void ResizeRows(const uint8_t *const rows[PIXELS], const Taps &taps, uint8_t *const out[PIXELS]) {
  const int32_t *weights = taps.weights.data();
  for (size_t i = 0; i < taps.spans.size(); i++, weights += taps.stride) {
    const auto [first, count] = taps.spans[i];
    Sums sums = Sums{} + HALF;
    for (int k = 0; k < count; k++) {
      Pixels pixels;
      for (int r = 0; r < PIXELS; r++) pixels[r] = Load(rows[r] + size_t{4} * (first + k));
      sums += Widen(reinterpret_cast<Bytes>(pixels)) * weights[k];
    }
    const Pixels done = reinterpret_cast<Pixels>(Clip(sums));
    for (int r = 0; r < PIXELS; r++) {
      const int32_t pixel = done[r];
      std::memcpy(out[r] + 4 * i, &pixel, 4);
    }
  }
}

}  // namespace

void ResizeToTensor(const View &view, const float *box, int side, bool mirrored, const float *table, float *out) {
  const Taps across(view.width, box[0], box[2], side), down(view.height, box[1], box[3], side);
  const int first = down.spans.front().first, last = down.spans.back().first + down.spans.back().count;
  // Horizontally first, as Pillow does, of the rows that the vertical pass needs; rows are padded to whole groups.
  const size_t row = (size_t{4} * side + GROUP - 1) / GROUP * GROUP;
  thread_local std::vector<uint8_t> narrow;
  narrow.resize(row * (last - first));
  for (int y = first; y < last; y += PIXELS) {
    const uint8_t *in[PIXELS];
    uint8_t *to[PIXELS];
    for (int r = 0; r < PIXELS; r++) {
      const int here = std::min(y + r, last - 1);
      in[r] = view.pixels + view.stride * here;
      to[r] = &narrow[row * (here - first)];
    }
    ResizeRows(in, across, to);
  }
  std::vector<uint8_t> line(row);
  const size_t plane = static_cast<size_t>(side) * side;
  for (int y = 0; y < side; y++) {
    const auto [begin, count] = down.spans[y];
    const int32_t *weights = &down.weights[down.stride * y];
    for (size_t x = 0; x < row; x += GROUP) {
      const uint8_t *in = &narrow[row * (begin - first) + x];
      Sums sums = Sums{} + HALF;
      for (int k = 0; k < count; k++, in += row) {
        Bytes bytes;
        std::memcpy(&bytes, in, GROUP);
        sums += Widen(bytes) * weights[k];
      }
      const Bytes done = Clip(sums);
      std::memcpy(&line[x], &done, GROUP);
    }
    for (int c = 0; c < 3; c++) {
      float *to = out + plane * c + static_cast<size_t>(side) * y;
      const float *values = table + 256 * c;
      if (mirrored) {
        for (int x = 0; x < side; x++) to[side - 1 - x] = values[line[4 * x + c]];
      } else {
        for (int x = 0; x < side; x++) to[x] = values[line[4 * x + c]];
      }
    }
  }
}

}  // namespace tinynets
