#include "filter.h"

#include <algorithm>
#include <cstring>

// Instruction sets with their own filters; PORTABLE, for tests, turns them off.
#if defined(__x86_64__) && !defined(PORTABLE)
#include <immintrin.h>
#define WITH_AVX2
#elif defined(__aarch64__) && !defined(PORTABLE)
#include <arm_neon.h>
#define WITH_NEON
#endif

namespace tinynets {
namespace {

constexpr int32_t HALF = 1 << (PRECISION - 1);

uint8_t Clip(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> PRECISION, 0, 255)); }

// Bytes from the start of the rows to the first pixel of span i.
size_t Start(const Taps &taps, size_t i) { return size_t{3} * (taps.spans[i].first - taps.spans[0].first); }

#ifndef WITH_NEON

void FilterRowsPlainly(const uint8_t *const rows[FOUR], const Taps &taps, uint8_t *out, size_t stride) {
  for (int row = 0; row < FOUR; row++, out += stride) {
    for (size_t i = 0; i < taps.spans.size(); i++) {
      const uint8_t *pixel = rows[row] + Start(taps, i);
      const int32_t *weights = &taps.weights[taps.stride * i];
      int32_t r = HALF, g = HALF, b = HALF;
      for (int k = 0; k < taps.spans[i].count; k++, pixel += 3) {
        r += pixel[0] * weights[k];
        g += pixel[1] * weights[k];
        b += pixel[2] * weights[k];
      }
      out[3 * i] = Clip(r);
      out[3 * i + 1] = Clip(g);
      out[3 * i + 2] = Clip(b);
    }
  }
}

#endif

void FilterColumnsPlainly(const uint8_t *in, size_t stride, const int32_t *weights, int count, uint8_t *out,
                          size_t size) {
  constexpr size_t BLOCK = 256;
  for (size_t at = 0; at < size; at += BLOCK) {
    const size_t n = std::min(BLOCK, size - at);
    int32_t sums[BLOCK];
    std::fill_n(sums, n, HALF);
    for (int k = 0; k < count; k++) {
      const uint8_t *bytes = in + stride * k + at;
      for (size_t i = 0; i < n; i++) sums[i] += bytes[i] * weights[k];
    }
    for (size_t i = 0; i < n; i++) out[at + i] = Clip(sums[i]);
  }
}

#ifdef WITH_AVX2

#define AVX2 __attribute__((target("avx2")))

const bool HAS_AVX2 = __builtin_cpu_supports("avx2");

// One instruction multiplies sixteen bits by sixteen and adds two neighbours, so a weight of 32 bits is split in two:
// its lower half as a signed number, and its upper half, larger by one if the lower one is negative. The sums with each
// half may wrap around, their total does not.
struct Weights {
  __m256i low, high;
};

struct Sums {
  __m256i low, high;
};

// `low`: the places, in each 16 bytes, of the lower halves of two neighbours' weights.
AVX2 inline Weights Split(__m256i weights, __m256i low) {
  const __m256i carry = _mm256_and_si256(_mm256_slli_epi32(weights, 1), _mm256_set1_epi32(1 << 16));
  weights = _mm256_add_epi32(weights, carry);
  return {_mm256_shuffle_epi8(weights, low), _mm256_shuffle_epi8(weights, _mm256_add_epi8(low, _mm256_set1_epi8(2)))};
}

AVX2 inline void Add(__m256i pixels, const Weights &weights, Sums *sums) {
  sums->low = _mm256_add_epi32(sums->low, _mm256_madd_epi16(pixels, weights.low));
  sums->high = _mm256_add_epi32(sums->high, _mm256_madd_epi16(pixels, weights.high));
}

AVX2 inline __m256i Total(const Sums &sums) { return _mm256_add_epi32(sums.low, _mm256_slli_epi32(sums.high, 16)); }

AVX2 void FilterRowsByAvx2(const uint8_t *const rows[FOUR], const Taps &taps, uint8_t *out, size_t stride) {
  // The first two of four pixels, channel by channel, in one half of the register, the last two in the other.
  const __m256i pairs = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1,  //
                                         6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  const __m256i low = _mm256_setr_m128i(_mm_set1_epi32(0x05040100), _mm_set1_epi32(0x0d0c0908));
  for (size_t i = 0; i < taps.spans.size(); i++) {
    const size_t start = Start(taps, i);
    const int32_t *at = &taps.weights[taps.stride * i];
    Sums sums[FOUR] = {};
    for (int k = 0; k < taps.spans[i].count; k += FOUR) {
      const __m128i four = _mm_loadu_si128(reinterpret_cast<const __m128i *>(at + k));
      const Weights weights = Split(_mm256_broadcastsi128_si256(four), low);
      for (int row = 0; row < FOUR; row++) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i *>(rows[row] + start + 3 * k));
        Add(_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), pairs), weights, &sums[row]);
      }
    }
    __m128i rgb[FOUR];
    for (int row = 0; row < FOUR; row++) {
      const __m256i halves = Total(sums[row]);
      const __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
      rgb[row] = _mm_srai_epi32(_mm_add_epi32(sum, _mm_set1_epi32(HALF)), PRECISION);
    }
    uint8_t bytes[4 * FOUR];
    _mm_storeu_si128(reinterpret_cast<__m128i *>(bytes),
                     _mm_packus_epi16(_mm_packs_epi32(rgb[0], rgb[1]), _mm_packs_epi32(rgb[2], rgb[3])));
    for (int row = 0; row < FOUR; row++) std::memcpy(out + stride * row + 3 * i, bytes + 4 * row, 4);
  }
}

AVX2 void FilterColumnsByAvx2(const uint8_t *in, size_t stride, const int32_t *weights, int count, uint8_t *out,
                              size_t size) {
  const __m256i low = _mm256_set1_epi32(0x05040100), zero = _mm256_setzero_si256();
  for (size_t at = 0; at < size; at += sizeof(__m256i)) {
    Sums sums[4] = {};
    for (int k = 0; k < count; k += 2) {
      const uint8_t *row = in + stride * k + at;
      const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(row));
      const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(row + stride));
      int64_t two;
      std::memcpy(&two, weights + k, sizeof two);
      const Weights pair = Split(_mm256_set1_epi64x(two), low);
      const __m256i left = _mm256_unpacklo_epi8(a, b), right = _mm256_unpackhi_epi8(a, b);
      Add(_mm256_unpacklo_epi8(left, zero), pair, &sums[0]);
      Add(_mm256_unpackhi_epi8(left, zero), pair, &sums[1]);
      Add(_mm256_unpacklo_epi8(right, zero), pair, &sums[2]);
      Add(_mm256_unpackhi_epi8(right, zero), pair, &sums[3]);
    }
    __m256i v[4];
    for (int i = 0; i < 4; i++) {
      v[i] = _mm256_srai_epi32(_mm256_add_epi32(Total(sums[i]), _mm256_set1_epi32(HALF)), PRECISION);
    }
    const __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(out + at), bytes);
  }
}

#endif

#ifdef WITH_NEON

void FilterRowsByNeon(const uint8_t *const rows[FOUR], const Taps &taps, uint8_t *out, size_t stride) {
  // The channels of each of four pixels widened to 32 bits; an index past the register gives 0.
  const uint32x4_t first = {0xffffff00, 0xffffff01, 0xffffff02, 0xffffffff}, next = {3, 3, 3, 0};
  const uint8x16_t picks[FOUR] = {vreinterpretq_u8_u32(first), vreinterpretq_u8_u32(first + next),
                                  vreinterpretq_u8_u32(first + 2 * next), vreinterpretq_u8_u32(first + 3 * next)};
  for (size_t i = 0; i < taps.spans.size(); i++) {
    const size_t start = Start(taps, i);
    const int32_t *at = &taps.weights[taps.stride * i];
    int32x4_t sums[FOUR] = {vdupq_n_s32(HALF), vdupq_n_s32(HALF), vdupq_n_s32(HALF), vdupq_n_s32(HALF)};
    for (int k = 0; k < taps.spans[i].count; k += FOUR) {
      const int32x4_t weights = vld1q_s32(at + k);
      for (int row = 0; row < FOUR; row++) {
        const uint8x16_t bytes = vld1q_u8(rows[row] + start + 3 * k);
        int32x4_t sum = sums[row];
        sum = vmlaq_laneq_s32(sum, vreinterpretq_s32_u8(vqtbl1q_u8(bytes, picks[0])), weights, 0);
        sum = vmlaq_laneq_s32(sum, vreinterpretq_s32_u8(vqtbl1q_u8(bytes, picks[1])), weights, 1);
        sum = vmlaq_laneq_s32(sum, vreinterpretq_s32_u8(vqtbl1q_u8(bytes, picks[2])), weights, 2);
        sum = vmlaq_laneq_s32(sum, vreinterpretq_s32_u8(vqtbl1q_u8(bytes, picks[3])), weights, 3);
        sums[row] = sum;
      }
    }
    for (int row = 0; row < FOUR; row++) {
      const uint16x4_t rgb = vqmovun_s32(vshrq_n_s32(sums[row], PRECISION));
      const uint8x8_t bytes = vqmovn_u16(vcombine_u16(rgb, rgb));
      std::memcpy(out + stride * row + 3 * i, &bytes, 4);
    }
  }
}

#endif

}  // namespace

void FilterRows(const uint8_t *const rows[FOUR], const Taps &taps, uint8_t *out, size_t stride) {
#ifdef WITH_NEON
  FilterRowsByNeon(rows, taps, out, stride);
#else
#ifdef WITH_AVX2
  if (HAS_AVX2) return FilterRowsByAvx2(rows, taps, out, stride);
#endif
  FilterRowsPlainly(rows, taps, out, stride);
#endif
}

void FilterColumns(const uint8_t *in, size_t stride, const int32_t *weights, int count, uint8_t *out, size_t size) {
#ifdef WITH_AVX2
  if (HAS_AVX2) return FilterColumnsByAvx2(in, stride, weights, count, out, size);
#endif
  FilterColumnsPlainly(in, stride, weights, count, out, size);
}

}  // namespace tinynets
