#include "elementwise.h"

#include <algorithm>

#include "avx512.h"

#ifdef AVX512

namespace tinynets {
namespace {

constexpr size_t LANES = 16;

AVX512 inline __mmask16 First(size_t n) { return n >= LANES ? 0xFFFF : static_cast<__mmask16>((1u << n) - 1); }

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

}  // namespace

bool HasElementwise() { return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"); }

AVX512 void Silu(const float *x, float *y, size_t n) {
  size_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    const __m512 v = _mm512_loadu_ps(x + i);
    _mm512_storeu_ps(y + i, _mm512_mul_ps(v, SigmoidOf(v)));
  }
  const __m512 v = _mm512_maskz_loadu_ps(First(n - i), x + i);
  _mm512_mask_storeu_ps(y + i, First(n - i), _mm512_mul_ps(v, SigmoidOf(v)));
}

AVX512 void Sigmoid(const float *x, float *y, size_t n) {
  for (size_t i = 0; i < n; i += LANES) {
    const __mmask16 lanes = First(n - i);
    _mm512_mask_storeu_ps(y + i, lanes, SigmoidOf(_mm512_maskz_loadu_ps(lanes, x + i)));
  }
}

AVX512 void Gate(const float *x, const float *gate, float *y, size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++, x += n, y += n) {
    size_t c = 0;
    for (; c + LANES <= n; c += LANES) {
      _mm512_storeu_ps(y + c, _mm512_mul_ps(_mm512_loadu_ps(x + c), _mm512_loadu_ps(gate + c)));
    }
    if (c == n) continue;
    const __mmask16 rest = First(n - c);
    _mm512_mask_storeu_ps(y + c, rest,
                          _mm512_mul_ps(_mm512_maskz_loadu_ps(rest, x + c), _mm512_maskz_loadu_ps(rest, gate + c)));
  }
}

AVX512 void Mean(const float *x, float *mean, size_t rows, size_t n) {
  constexpr size_t WIDE = 4;  // vectors summed side by side
  const __m512 count = _mm512_set1_ps(static_cast<float>(rows));
  for (size_t c = 0; c < n; c += WIDE * LANES) {
    __mmask16 lanes[WIDE];
    __m512 even[WIDE], odd[WIDE];
    for (size_t k = 0; k < WIDE; k++) {
      lanes[k] = First(n - std::min(n, c + k * LANES));
      even[k] = odd[k] = _mm512_setzero_ps();
    }
    size_t r = 0;
    for (const float *row = x + c; r + 2 <= rows; r += 2, row += 2 * n) {
      for (size_t k = 0; k < WIDE; k++) {
        even[k] = _mm512_add_ps(even[k], _mm512_maskz_loadu_ps(lanes[k], row + k * LANES));
        odd[k] = _mm512_add_ps(odd[k], _mm512_maskz_loadu_ps(lanes[k], row + n + k * LANES));
      }
    }
    for (size_t k = 0; k < WIDE; k++) {
      const __m512 last = _mm512_maskz_loadu_ps(r < rows ? lanes[k] : 0, x + r * n + c + k * LANES);
      const __m512 sum = _mm512_add_ps(_mm512_add_ps(even[k], odd[k]), last);
      _mm512_mask_storeu_ps(mean + c + k * LANES, lanes[k], _mm512_div_ps(sum, count));
    }
  }
}

}  // namespace tinynets

#else

namespace tinynets {

bool HasElementwise() { return false; }
void Silu(const float *, float *, size_t) {}
void Sigmoid(const float *, float *, size_t) {}
void Gate(const float *, const float *, float *, size_t, size_t) {}
void Mean(const float *, float *, size_t, size_t) {}

}  // namespace tinynets

#endif
