// A vector is one register of AVX-512, in functions marked TARGET, independent of the flags of the rest.
#pragma once

#include "x86.h"

#define TARGET __attribute__((target("avx512f")))

namespace tinynets::avx512 {

constexpr const char *NAME = "avx512";
constexpr size_t VECTORS = 3, ROWS[] = {0, 16, 14, 9};  // the largest tiles in 32 registers
constexpr size_t OUTPUTS = 8;

inline bool IsThere() { return __builtin_cpu_supports("avx512f"); }

struct Vector {
  __m512 all;
};
using Lanes = __mmask16;

TARGET inline Lanes First(size_t n) { return n >= LANES ? 0xFFFF : static_cast<Lanes>((1u << n) - 1); }
TARGET inline Vector Zero() { return {_mm512_setzero_ps()}; }
TARGET inline Vector Every(float value) { return {_mm512_set1_ps(value)}; }
TARGET inline Vector Load(const float *from) { return {_mm512_loadu_ps(from)}; }
TARGET inline Vector Load(const float *from, Lanes lanes) { return {_mm512_maskz_loadu_ps(lanes, from)}; }
TARGET inline void Store(float *to, Vector v) { _mm512_storeu_ps(to, v.all); }
TARGET inline void Store(float *to, Lanes lanes, Vector v) { _mm512_mask_storeu_ps(to, lanes, v.all); }
TARGET inline Vector Add(Vector a, Vector b) { return {_mm512_add_ps(a.all, b.all)}; }
TARGET inline Vector Multiply(Vector a, Vector b) { return {_mm512_mul_ps(a.all, b.all)}; }
TARGET inline Vector Divide(Vector a, Vector b) { return {_mm512_div_ps(a.all, b.all)}; }
TARGET inline Vector MultiplyAdd(Vector a, Vector b, Vector c) { return {_mm512_fmadd_ps(a.all, b.all, c.all)}; }
// The larger of a limit and x; a NaN in x propagates.
TARGET inline Vector Larger(Vector limit, Vector x) { return {_mm512_max_ps(limit.all, x.all)}; }
TARGET inline Vector Smaller(Vector limit, Vector x) { return {_mm512_min_ps(limit.all, x.all)}; }
// The larger of two; a NaN in either propagates.
TARGET inline Vector LargerOfBoth(Vector a, Vector b) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.all, a.all, _CMP_UNORD_Q), Larger(a, b).all, a.all)};
}

// 1 / (1 + e^-x), with e^-x = 2^(k/16) 2^t: k/16 is -x / ln 2 rounded to sixteenths (by adding 1.5 * 2^19), and t the
// remainder, for which a polynomial of degree 3 is enough. k << 19 puts the integer part of k/16 into a float's
// exponent and the rest, j, into its fraction; a table turns that fraction into the one of 2^(j/16). Then one Newton
// step on the processor's estimate of the reciprocal. x is clamped to 86 and -86, where the sigmoid is constant, so
// that nothing overflows; NaN propagates.
TARGET inline Vector SigmoidOf(Vector x) {
  const __m512i table =
      _mm512_setr_epi32(0x3F800000, 0x3F7DAAC3, 0x3F7B95C2, 0x3F79C3D3, 0x3F7837F0, 0x3F76F532, 0x3F75FED7, 0x3F75583F,
                        0x3F7504F3, 0x3F7508A4, 0x3F75672A, 0x3F76248C, 0x3F7744FD, 0x3F78CCDF, 0x3F7AC0C7, 0x3F7D257D);
  const __m512 one = _mm512_set1_ps(1.f), round = _mm512_set1_ps(786432.f), scale = _mm512_set1_ps(-1.44269504f);
  const __m512 z = _mm512_min_ps(_mm512_set1_ps(86.f), _mm512_max_ps(_mm512_set1_ps(-86.f), x.all));
  const __m512 rounded = _mm512_fmadd_ps(z, scale, round);
  const __m512 t = _mm512_fmsub_ps(z, scale, _mm512_sub_ps(rounded, round));
  const __m512i k = _mm512_castps_si512(rounded);
  const __m512 power =
      _mm512_castsi512_ps(_mm512_add_epi32(_mm512_slli_epi32(k, 19), _mm512_permutexvar_epi32(k, table)));
  __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(0.05550411f), t, _mm512_set1_ps(0.24022651f));  // 2^t
  p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(0.69314718f));
  p = _mm512_fmadd_ps(p, t, one);
  const __m512 d = _mm512_fmadd_ps(power, p, one);
  const __m512 guess = _mm512_rcp14_ps(d);
  return {_mm512_fmadd_ps(guess, _mm512_fnmadd_ps(d, guess, one), guess)};
}

}  // namespace tinynets::avx512
