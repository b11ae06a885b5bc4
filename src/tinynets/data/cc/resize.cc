#include "resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#ifdef __SSE2__
#include <immintrin.h>
#endif

namespace tinynets {
namespace {

// Pillow's fixed point: 32 bits, of which 8 for the pixel and 2 spare ones.
constexpr int PRECISION = 32 - 8 - 2;
constexpr int32_t HALF = 1 << (PRECISION - 1);
constexpr double SUPPORT = 2.0;

size_t RoundUp(size_t n, size_t to) { return (n + to - 1) / to * to; }

double Bicubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

// The weights of two taps in halves of 16 bits, with the first tap's in the low bits: the lower halves as signed
// numbers, the upper ones larger by one if the lower one is negative.
struct Pair {
  int32_t low, high;
};

// For each output pixel its input pixels and their weights. A pair has the taps k and k + apart; there are whole groups
// of `apart` pairs, padded with weights of 0. Output pixels are padded to whole FOURs.
struct Taps {
  struct Span {
    int first, pairs;
  };
  std::vector<Span> spans;
  std::vector<Pair> pairs;  // `stride` for each output pixel
  size_t stride;

  Taps(int in, float begin, float end, int out, int apart, bool mirrored) : spans(RoundUp(out, FOUR)) {
    const double scale = static_cast<double>(end - begin) / out;
    const double filter_scale = std::max(scale, 1.0);
    const double support = SUPPORT * filter_scale;
    const double step = 1.0 / filter_scale;
    const size_t most = static_cast<size_t>(std::ceil(support)) * 2 + 1;
    stride = RoundUp(most, 2 * apart) / 2;
    pairs.resize(stride * spans.size());
    std::vector<double> exact(most);
    for (int i = 0; i < out; i++) {
      const double center = begin + (i + 0.5) * scale;
      const int first = std::max(0, static_cast<int>(center - support + 0.5));
      const int n = std::min(in, static_cast<int>(center + support + 0.5)) - first;
      double sum = 0;
      for (int k = 0; k < n; k++) sum += exact[k] = Bicubic((k + first - center + 0.5) * step);
      const int place = mirrored ? out - 1 - i : i;
      spans[place] = {first, static_cast<int>(RoundUp(n, 2 * apart) / 2)};
      for (int k = 0; k < n; k++) {
        const double scaled = (sum != 0.0 ? exact[k] / sum : exact[k]) * (1 << PRECISION);
        const int32_t weight = static_cast<int32_t>(scaled + (scaled < 0 ? -0.5 : 0.5));
        Pair &pair = pairs[stride * place + k / (2 * apart) * apart + k % apart];
        const int shift = k / apart % 2 * 16;
        pair.low |= (weight & 0xffff) << shift;
        pair.high |= ((weight + 0x8000) >> 16 & 0xffff) << shift;
      }
    }
  }
};

#ifdef __SSE2__

#if defined(__AVX512BW__)
using Bytes = __m512i;
#define V(name) _mm512_##name
#define WHOLE(name) _mm512_##name##_si512
#elif defined(__AVX2__)
using Bytes = __m256i;
#define V(name) _mm256_##name
#define WHOLE(name) _mm256_##name##_si256
#else
using Bytes = __m128i;
#define V(name) _mm_##name
#define WHOLE(name) _mm_##name##_si128
#endif
constexpr size_t GROUP = sizeof(Bytes);
constexpr int ROWS = GROUP / 16;  // that a register holds four pixels of

// One instruction multiplies sixteen bits by sixteen and adds two neighbours. The sums with each half of the weights
// may wrap around, their total does not.
struct Sums {
  Bytes low = V(set1_epi32)(HALF), high = WHOLE(setzero)();

  void Add(Bytes values, const Pair &pair) {
    low = V(add_epi32)(low, V(madd_epi16)(values, V(set1_epi32)(pair.low)));
    high = V(add_epi32)(high, V(madd_epi16)(values, V(set1_epi32)(pair.high)));
  }
  Bytes Values() const { return V(srai_epi32)(V(add_epi32)(low, V(slli_epi32)(high, 16)), PRECISION); }
};

Bytes Clip(const Bytes values[4]) {
  return V(packus_epi16)(V(packs_epi32)(values[0], values[1]), V(packs_epi32)(values[2], values[3]));
}

Bytes FourPixels(const uint8_t *at, size_t stride) {
  const auto load = [&](int row) { return _mm_loadu_si128(reinterpret_cast<const __m128i *>(at + stride * row)); };
#if defined(__AVX512BW__)
  const __m512i two = _mm512_inserti32x4(_mm512_castsi128_si512(load(0)), load(1), 1);
  return _mm512_inserti32x4(_mm512_inserti32x4(two, load(2), 2), load(3), 3);
#elif defined(__AVX2__)
  return _mm256_inserti128_si256(_mm256_castsi128_si256(load(0)), load(1), 1);
#else
  return load(0);
#endif
}

// The horizontal pass of FOUR rows. Pairs are two apart.
void ResizeRows(const uint8_t *rows, size_t stride, const Taps &taps, uint8_t *out, size_t out_stride) {
  for (int row = 0; row < FOUR; row += ROWS, rows += stride * ROWS, out += out_stride * ROWS) {
    const Pair *pairs = taps.pairs.data();
    for (size_t i = 0; i < taps.spans.size(); i += FOUR) {
      Bytes values[FOUR];
      for (int j = 0; j < FOUR; j++, pairs += taps.stride) {
        Sums sums;
        const uint8_t *at = rows + 4 * taps.spans[i + j].first;
        for (int k = 0; k < taps.spans[i + j].pairs; k += 2, at += 16) {
          const Bytes four = FourPixels(at, stride);
          const Bytes mixed = V(unpacklo_epi8)(four, V(unpackhi_epi64)(four, four));  // 0 and 2, then 1 and 3
          sums.Add(V(unpacklo_epi8)(mixed, WHOLE(setzero)()), pairs[k]);
          sums.Add(V(unpackhi_epi8)(mixed, WHOLE(setzero)()), pairs[k + 1]);
        }
        values[j] = sums.Values();
      }
      const Bytes done = Clip(values);
      for (int r = 0; r < ROWS; r++) {
        std::memcpy(out + out_stride * r + 4 * i, reinterpret_cast<const char *>(&done) + 16 * r, 16);
      }
    }
  }
}

// One row of the vertical pass, of whole groups. Pairs are neighbours.
void ResizeColumns(const uint8_t *in, size_t stride, const Pair *pairs, int count, uint8_t *out) {
  for (size_t at = 0; at < stride; at += GROUP) {
    Sums sums[4];
    for (int k = 0; k < count; k++) {
      Bytes a, b;
      std::memcpy(&a, in + stride * (2 * k) + at, GROUP);
      std::memcpy(&b, in + stride * (2 * k + 1) + at, GROUP);
      const Bytes left = V(unpacklo_epi8)(a, b), right = V(unpackhi_epi8)(a, b);
      sums[0].Add(V(unpacklo_epi8)(left, WHOLE(setzero)()), pairs[k]);
      sums[1].Add(V(unpackhi_epi8)(left, WHOLE(setzero)()), pairs[k]);
      sums[2].Add(V(unpacklo_epi8)(right, WHOLE(setzero)()), pairs[k]);
      sums[3].Add(V(unpackhi_epi8)(right, WHOLE(setzero)()), pairs[k]);
    }
    const Bytes values[] = {sums[0].Values(), sums[1].Values(), sums[2].Values(), sums[3].Values()};
    const Bytes done = Clip(values);
    std::memcpy(out + at, &done, GROUP);
  }
}

#else

constexpr size_t GROUP = 16;

int32_t Weight(const Pair &pair, int tap) {
  return static_cast<int16_t>(pair.high >> 16 * tap) * 65536 + static_cast<int16_t>(pair.low >> 16 * tap);
}

uint8_t Clip(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> PRECISION, 0, 255)); }

void ResizeRows(const uint8_t *rows, size_t stride, const Taps &taps, uint8_t *out, size_t out_stride) {
  for (int row = 0; row < FOUR; row++, rows += stride, out += out_stride) {
    for (size_t i = 0; i < taps.spans.size(); i++) {
      const uint8_t *at = rows + 4 * taps.spans[i].first;
      int32_t sums[4] = {HALF, HALF, HALF, HALF};
      for (int k = 0; k < taps.spans[i].pairs; k++, at += k % 2 ? 4 : 12) {
        const Pair &pair = taps.pairs[taps.stride * i + k];
        for (int c = 0; c < 4; c++) sums[c] += at[c] * Weight(pair, 0) + at[c + 8] * Weight(pair, 1);
      }
      for (int c = 0; c < 4; c++) out[4 * i + c] = Clip(sums[c]);
    }
  }
}

void ResizeColumns(const uint8_t *in, size_t stride, const Pair *pairs, int count, uint8_t *out) {
  for (size_t at = 0; at < stride; at += GROUP) {
    int32_t sums[GROUP];
    std::fill_n(sums, GROUP, HALF);
    for (int k = 0; k < count; k++) {
      const uint8_t *a = in + stride * (2 * k) + at, *b = a + stride;
      for (size_t x = 0; x < GROUP; x++) sums[x] += a[x] * Weight(pairs[k], 0) + b[x] * Weight(pairs[k], 1);
    }
    for (size_t x = 0; x < GROUP; x++) out[at + x] = Clip(sums[x]);
  }
}

#endif

}  // namespace

bool ResizeToTensor(const Source &source, const float *box, int side, bool mirrored, const float *factors, float *out) {
  // Horizontally first, as in Pillow; one row past the last may be read, with a weight of 0.
  const Taps across(source.width, box[0], box[2], side, 2, mirrored);
  const Taps down(source.height, box[1], box[3], side, 1, false);
  const size_t stride = RoundUp(size_t{4} * side, GROUP);
  thread_local std::vector<uint8_t> narrow;
  narrow.resize(std::max(narrow.size(), stride * (RoundUp(source.height, FOUR) + 1)));
  for (int y = 0; y < source.height; y += FOUR) {
    const uint8_t *rows = source.rows(y);
    if (rows == nullptr) return false;
    ResizeRows(rows, source.stride, across, &narrow[stride * y], stride);
  }
  std::vector<uint8_t> line(stride);
  const size_t plane = static_cast<size_t>(side) * side;
  for (int y = 0; y < side; y++, out += side) {
    ResizeColumns(&narrow[stride * down.spans[y].first], stride, &down.pairs[down.stride * y], down.spans[y].pairs,
                  line.data());
    for (int c = 0; c < 3; c++) {
      const float scale = factors[c], shift = factors[3 + c];
      for (int x = 0; x < side; x++) out[plane * c + x] = line[4 * x + c] * scale - shift;
    }
  }
  return true;
}

}  // namespace tinynets
