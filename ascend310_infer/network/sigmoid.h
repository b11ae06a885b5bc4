// The sigmoid of 16 values.
#pragma once

#include "avx512.h"

#ifdef AVX512

namespace tinynets {

// 1 / (1 + e^-x), with e^-x = 2^(k/16) 2^t: k/16 is -x / ln 2 rounded to sixteenths (by adding 1.5 * 2^19), t what is
// left, of whose power a polynomial of degree 3 is enough. k << 19 puts the whole part of k/16 into a float's exponent
// and the rest, j, into its fraction; a table turns that fraction into the one of 2^(j/16). Then one Newton step on the
// processor's guess of the reciprocal. |x| is cut at 86: the sigmoid has long settled there, and nothing overflows.
AVX512 inline __m512 SigmoidOf(__m512 x) {
  const __m512i table =
      _mm512_setr_epi32(0x3F800000, 0x3F7DAAC3, 0x3F7B95C2, 0x3F79C3D3, 0x3F7837F0, 0x3F76F532, 0x3F75FED7, 0x3F75583F,
                        0x3F7504F3, 0x3F7508A4, 0x3F75672A, 0x3F76248C, 0x3F7744FD, 0x3F78CCDF, 0x3F7AC0C7, 0x3F7D257D);
  const __m512 one = _mm512_set1_ps(1.f), round = _mm512_set1_ps(786432.f), scale = _mm512_set1_ps(-1.44269504f);
  const __m512 z = _mm512_range_ps(x, _mm512_set1_ps(86.f), 0x2);  // the smaller magnitude, with x's sign
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
  return _mm512_fmadd_ps(guess, _mm512_fnmadd_ps(d, guess, one), guess);
}

}  // namespace tinynets

#endif
