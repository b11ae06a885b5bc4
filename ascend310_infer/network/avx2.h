// A vector is two registers of AVX2, in functions marked TARGET, independent of the flags of the rest.
#pragma once

#include "x86.h"

#define TARGET __attribute__((target("avx2,fma")))

namespace tinynets::avx2 {

constexpr const char *NAME = "avx2";
constexpr size_t VECTORS = 1, ROWS[] = {0, 6, 0, 0};  // the largest tile in 16 registers
constexpr size_t OUTPUTS = 4;

inline bool IsThere() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

struct Vector {
  __m256 low, high;
};
struct Lanes {
  __m256i low, high;
  bool all;  // whole loads and stores, which are much faster on some processors
};

TARGET inline Lanes First(size_t n) {
  const __m256i count = _mm256_set1_epi32(n >= LANES ? LANES : static_cast<int>(n));
  return {_mm256_cmpgt_epi32(count, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)),
          _mm256_cmpgt_epi32(count, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15)), n >= LANES};
}
TARGET inline Vector Zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
TARGET inline Vector Every(float value) {
  const __m256 all = _mm256_set1_ps(value);
  return {all, all};
}
TARGET inline Vector Load(const float *from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
TARGET inline Vector Load(const float *from, Lanes lanes) {
  if (lanes.all) return Load(from);
  return {_mm256_maskload_ps(from, lanes.low), _mm256_maskload_ps(from + 8, lanes.high)};
}
TARGET inline void Store(float *to, Vector v) {
  _mm256_storeu_ps(to, v.low);
  _mm256_storeu_ps(to + 8, v.high);
}
TARGET inline void Store(float *to, Lanes lanes, Vector v) {
  if (lanes.all) return Store(to, v);
  _mm256_maskstore_ps(to, lanes.low, v.low);
  _mm256_maskstore_ps(to + 8, lanes.high, v.high);
}
TARGET inline Vector Add(Vector a, Vector b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
TARGET inline Vector Multiply(Vector a, Vector b) {
  return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}
TARGET inline Vector Divide(Vector a, Vector b) { return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)}; }
TARGET inline Vector MultiplyAdd(Vector a, Vector b, Vector c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
// The larger of a limit and x; a NaN in x propagates.
TARGET inline Vector Larger(Vector limit, Vector x) {
  return {_mm256_max_ps(limit.low, x.low), _mm256_max_ps(limit.high, x.high)};
}
TARGET inline Vector Smaller(Vector limit, Vector x) {
  return {_mm256_min_ps(limit.low, x.low), _mm256_min_ps(limit.high, x.high)};
}
// The larger of two; a NaN in either propagates.
TARGET inline Vector LargerOfBoth(Vector a, Vector b) {
  const Vector larger = Larger(a, b);
  return {_mm256_blendv_ps(larger.low, a.low, _mm256_cmp_ps(a.low, a.low, _CMP_UNORD_Q)),
          _mm256_blendv_ps(larger.high, a.high, _mm256_cmp_ps(a.high, a.high, _CMP_UNORD_Q))};
}

// As with AVX-512 (avx512.h), but in eighths: the table has eight entries, and t is up to twice as large, so 2^t needs
// a polynomial of degree 4.
TARGET inline __m256 SigmoidOf(__m256 x) {
  const __m256i table =
      _mm256_setr_epi32(0x3F800000, 0x3F7B95C2, 0x3F7837F0, 0x3F75FED7, 0x3F7504F3, 0x3F75672A, 0x3F7744FD, 0x3F7AC0C7);
  const __m256 one = _mm256_set1_ps(1.f), round = _mm256_set1_ps(1572864.f), scale = _mm256_set1_ps(-1.44269504f);
  const __m256 z = _mm256_min_ps(_mm256_set1_ps(86.f), _mm256_max_ps(_mm256_set1_ps(-86.f), x));
  const __m256 rounded = _mm256_fmadd_ps(z, scale, round);
  const __m256 t = _mm256_fmsub_ps(z, scale, _mm256_sub_ps(rounded, round));
  const __m256i k = _mm256_castps_si256(rounded);
  const __m256 power =
      _mm256_castsi256_ps(_mm256_add_epi32(_mm256_slli_epi32(k, 20), _mm256_permutevar8x32_epi32(table, k)));
  __m256 p = _mm256_fmadd_ps(_mm256_set1_ps(0.009618129f), t, _mm256_set1_ps(0.05550411f));  // 2^t
  p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(0.24022651f));
  p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(0.69314718f));
  p = _mm256_fmadd_ps(p, t, one);
  const __m256 d = _mm256_fmadd_ps(power, p, one);
  const __m256 guess = _mm256_rcp_ps(d);
  return _mm256_fmadd_ps(guess, _mm256_fnmadd_ps(d, guess, one), guess);
}
TARGET inline Vector SigmoidOf(Vector x) { return {SigmoidOf(x.low), SigmoidOf(x.high)}; }

}  // namespace tinynets::avx2
