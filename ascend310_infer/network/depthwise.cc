// Outputs of a row are made a few at once, for 16 channels: kernel row by kernel row, whose weights stay in registers,
// every input pixel is read once and goes to all outputs that see it. Kernel rows and columns outside the map are left
// out, so nothing is padded.
#include "depthwise.h"

#include <algorithm>

#include "avx512.h"
#include "sigmoid.h"

#ifdef AVX512

namespace tinynets {
namespace {

constexpr int LANES = 16, MOST = 8;  // channels and outputs at once

struct Map {  // the part of a row's work that all its outputs share
  const float *x;
  float *y;
  const float *packed;           // of these channels
  ptrdiff_t width, from, to;     // columns of x, and from one pixel to the next in x and in y
  int first, last;               // kernel rows within the map
  __mmask16 read, lanes;         // channels of x and of y
  bool silu;
  float *total;
};

// From sums to outputs, of which those before `made` are there already.
AVX512 void Write(const Map &m, const float *sums, ptrdiff_t at, int count, int made) {
  __m512 total = m.total == nullptr ? _mm512_setzero_ps() : _mm512_loadu_ps(m.total);
  for (int i = made; i < count; i++) {
    __m512 sum = _mm512_load_ps(sums + i * LANES);
    if (m.silu) sum = _mm512_mul_ps(sum, SigmoidOf(sum));
    _mm512_mask_storeu_ps(m.y + (at + i) * m.to, m.lanes, sum);
    total = _mm512_add_ps(total, sum);
  }
  if (m.total != nullptr) _mm512_storeu_ps(m.total, total);
}

// Outputs [at, at + COUNT) of a row, of which m.y is the first output and m.x the input pixel under the row's first
// kernel row, both at column 0; INNER: whose taps all lie in the map.
template <int K, int S, int COUNT, bool INNER>
AVX512 void Some(const Map &m, ptrdiff_t at, int made) {
  const ptrdiff_t left = at * S - K / 2;
  __m512 sum[COUNT];  // stays in registers where all its loops are unrolled
#pragma GCC unroll 8
  for (int i = 0; i < COUNT; i++) sum[i] = _mm512_loadu_ps(m.packed);
  for (int r = m.first; r < m.last; r++) {
    __m512 weights[K];
#pragma GCC unroll 8
    for (int t = 0; t < K; t++) weights[t] = _mm512_loadu_ps(m.packed + (1 + r * K + t) * LANES);
    const float *const row = m.x + (r * m.width + left) * m.from;
#pragma GCC unroll 32
    for (int j = 0; j < (COUNT - 1) * S + K; j++) {
      if (!INNER && (left + j < 0 || left + j >= m.width)) continue;
      const __m512 pixel = _mm512_maskz_loadu_ps(m.read, row + j * m.from);
#pragma GCC unroll 8
      for (int t = 0; t < K; t++) {
        if (j < t || (j - t) % S || (j - t) / S >= COUNT) continue;
        sum[(j - t) / S] = _mm512_fmadd_ps(pixel, weights[t], sum[(j - t) / S]);
      }
    }
  }
  alignas(64) float sums[COUNT * LANES];
#pragma GCC unroll 8
  for (int i = 0; i < COUNT; i++) _mm512_store_ps(sums + i * LANES, sum[i]);
  Write(m, sums, at, COUNT, made);
}

// A row of `columns` outputs in parts of COUNT, the last of which may go back to outputs that are there already.
template <int K, int S, int COUNT>
void Row(const Map &m, ptrdiff_t columns) {
  for (ptrdiff_t done = 0; done < columns; done += COUNT) {
    const ptrdiff_t at = std::min(done, columns - COUNT), left = at * S - K / 2;
    const bool inner = left >= 0 && left + (COUNT - 1) * S + K <= m.width;
    (inner ? Some<K, S, COUNT, true> : Some<K, S, COUNT, false>)(m, at, static_cast<int>(done - at));
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
  packed_ = Floats(blocks * (1 + taps) * LANES);
  for (size_t c = 0; c < channels; c++) {
    float *const to = packed_.data() + c / LANES * (1 + taps) * LANES + c % LANES;
    to[0] = bias == nullptr ? 0.f : bias[c];
    for (size_t t = 0; t < taps; t++) to[(1 + t) * LANES] = weights[c * taps + t];
  }
}

void Depthwise::operator()(const float *x, const Layout &layout, const Part &part, float *y,
                           const Finish &finish) const {
  const size_t columns = Outputs(part.width), pieces = (columns + MOST - 1) / MOST;
  const int count = static_cast<int>((columns + pieces - 1) / pieces), kernel = static_cast<int>(kernel_);
  const auto height = static_cast<ptrdiff_t>(part.height), held = static_cast<ptrdiff_t>(part.held);
  const RowFunction row = kernel_ == 3 ? (stride_ == 1 ? RowOf<3, 1> : RowOf<3, 2>)(count)
                                       : (stride_ == 1 ? RowOf<5, 1> : RowOf<5, 2>)(count);
  Map m{};
  m.width = static_cast<ptrdiff_t>(part.width);
  m.from = layout.pixel;
  m.to = static_cast<ptrdiff_t>(channels_);
  m.silu = finish.silu;
  for (size_t c = 0; c < channels_; c += LANES) {
    const size_t lanes = std::min<size_t>(LANES, channels_ - c);
    m.lanes = static_cast<__mmask16>((1u << lanes) - 1);
    m.read = layout.block == LANES ? m.lanes : 0xFFFF;
    m.packed = packed_.data() + c / LANES * (1 + kernel_ * kernel_) * LANES;
    m.total = finish.total == nullptr ? nullptr : finish.total + c;
    const float *const from = x + static_cast<ptrdiff_t>(c / LANES) * layout.block;
    for (size_t o = part.begin; o < part.end; o++) {
      const ptrdiff_t top = static_cast<ptrdiff_t>(o * stride_) - kernel / 2;
      m.x = from + (top - held) * m.width * m.from;
      m.y = y + (o - part.begin) * columns * channels_ + c;
      m.first = static_cast<int>(std::max<ptrdiff_t>(0, -top));
      m.last = static_cast<int>(std::min<ptrdiff_t>(kernel, height - top));
      row(m, static_cast<ptrdiff_t>(columns));
    }
  }
}

}  // namespace tinynets

#else

namespace tinynets {

Depthwise::Depthwise(size_t kernel, size_t stride, size_t channels, const float *, const float *)
    : kernel_(kernel), stride_(stride), channels_(channels) {}
void Depthwise::operator()(const float *, const Layout &, const Part &, float *, const Finish &) const {}

}  // namespace tinynets

#endif
