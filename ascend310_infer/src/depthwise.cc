// Outputs of a row are made a few at once, for 16 channels: kernel row by kernel row, whose weights stay in registers,
// every input pixel is read once and goes to all outputs that see it. Kernel rows and columns outside the map are left
// out, so nothing is padded.
#include "depthwise.h"

#include <algorithm>

#include "avx512.h"

#ifdef AVX512

namespace tinynets {
namespace {

constexpr int LANES = 16, MOST = 8;  // channels and outputs at once

struct Map {  // the part of a row's work that all its outputs share
  const float *x;
  float *y;
  const float *packed;  // of these channels
  ptrdiff_t width, channels;
  int first, last;  // kernel rows within the map
  __mmask16 lanes;
};

// Outputs [at, at + COUNT) of a row, of which m.y is the first output and m.x the input pixel under the row's first
// kernel row, both at column 0; INNER: whose taps all lie in the map.
template <int K, int S, int COUNT, bool INNER>
AVX512 void Some(const Map &m, ptrdiff_t at) {
  const ptrdiff_t left = at * S - K / 2;
  __m512 sum[COUNT];  // stays in registers where all its loops are unrolled
#pragma GCC unroll 8
  for (int i = 0; i < COUNT; i++) sum[i] = _mm512_loadu_ps(m.packed);
  for (int r = m.first; r < m.last; r++) {
    __m512 weights[K];
#pragma GCC unroll 8
    for (int t = 0; t < K; t++) weights[t] = _mm512_loadu_ps(m.packed + (1 + r * K + t) * LANES);
    const float *const row = m.x + (r * m.width + left) * m.channels;
#pragma GCC unroll 32
    for (int j = 0; j < (COUNT - 1) * S + K; j++) {
      if (!INNER && (left + j < 0 || left + j >= m.width)) continue;
      const __m512 pixel = _mm512_maskz_loadu_ps(m.lanes, row + j * m.channels);
#pragma GCC unroll 8
      for (int t = 0; t < K; t++) {
        if (j < t || (j - t) % S || (j - t) / S >= COUNT) continue;
        sum[(j - t) / S] = _mm512_fmadd_ps(pixel, weights[t], sum[(j - t) / S]);
      }
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < COUNT; i++) _mm512_mask_storeu_ps(m.y + (at + i) * m.channels, m.lanes, sum[i]);
}

// A row of `columns` outputs in parts of COUNT, the last of which may make some outputs again.
template <int K, int S, int COUNT>
void Row(const Map &m, ptrdiff_t columns) {
  for (ptrdiff_t done = 0; done < columns; done += COUNT) {
    const ptrdiff_t at = std::min(done, columns - COUNT), left = at * S - K / 2;
    const bool inner = left >= 0 && left + (COUNT - 1) * S + K <= m.width;
    (inner ? Some<K, S, COUNT, true> : Some<K, S, COUNT, false>)(m, at);
  }
}

using RowFunction = void (*)(const Map &, ptrdiff_t);

template <int K, int S>
RowFunction RowOf(int count) {
  constexpr RowFunction functions[MOST] = {Row<K, S, 1>, Row<K, S, 2>, Row<K, S, 3>, Row<K, S, 4>,
                                           Row<K, S, 5>, Row<K, S, 6>, Row<K, S, 7>, Row<K, S, 8>};
  return functions[count - 1];
}

}  // namespace

Depthwise::Depthwise(size_t kernel, size_t stride, size_t channels, const float *weights, const float *bias)
    : kernel_(kernel), stride_(stride), channels_(channels) {
  const size_t taps = kernel * kernel, blocks = (channels + LANES - 1) / LANES;
  packed_.resize(blocks * (1 + taps) * LANES);
  for (size_t c = 0; c < channels; c++) {
    float *const to = &packed_[c / LANES * (1 + taps) * LANES + c % LANES];
    to[0] = bias == nullptr ? 0.f : bias[c];
    for (size_t t = 0; t < taps; t++) to[(1 + t) * LANES] = weights[c * taps + t];
  }
}

void Depthwise::operator()(const float *x, size_t height, size_t width, float *y) const {
  const size_t rows = (height - 1) / stride_ + 1, columns = (width - 1) / stride_ + 1;
  const size_t parts = (columns + MOST - 1) / MOST;
  const int count = static_cast<int>((columns + parts - 1) / parts), kernel = static_cast<int>(kernel_);
  const RowFunction row = kernel_ == 3 ? (stride_ == 1 ? RowOf<3, 1> : RowOf<3, 2>)(count)
                                       : (stride_ == 1 ? RowOf<5, 1> : RowOf<5, 2>)(count);
  for (size_t o = 0; o < rows; o++) {
    const ptrdiff_t top = static_cast<ptrdiff_t>(o * stride_) - kernel / 2;
    for (size_t c = 0; c < channels_; c += LANES) {
      const size_t lanes = std::min<size_t>(LANES, channels_ - c);
      Map m{};
      m.x = x + top * static_cast<ptrdiff_t>(width * channels_) + c;
      m.y = y + o * columns * channels_ + c;
      m.packed = &packed_[c / LANES * (1 + kernel_ * kernel_) * LANES];
      m.width = static_cast<ptrdiff_t>(width);
      m.channels = static_cast<ptrdiff_t>(channels_);
      m.first = static_cast<int>(std::max<ptrdiff_t>(0, -top));
      m.last = static_cast<int>(std::min<ptrdiff_t>(kernel, static_cast<ptrdiff_t>(height) - top));
      m.lanes = static_cast<__mmask16>((1u << lanes) - 1);
      row(m, static_cast<ptrdiff_t>(columns));
    }
  }
}

}  // namespace tinynets

#else

namespace tinynets {

Depthwise::Depthwise(size_t kernel, size_t stride, size_t channels, const float *, const float *)
    : kernel_(kernel), stride_(stride), channels_(channels) {}
void Depthwise::operator()(const float *, size_t, size_t, float *) const {}

}  // namespace tinynets

#endif
