#include "elementwise.h"

#include <algorithm>

#include "avx512.h"
#include "sigmoid.h"

#ifdef AVX512

namespace tinynets {
namespace {

constexpr size_t LANES = 16;

AVX512 inline __mmask16 First(size_t n) { return n >= LANES ? 0xFFFF : static_cast<__mmask16>((1u << n) - 1); }

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

AVX512 void Add(const float *x, const float *other, float *y, size_t n) {
  for (size_t i = 0; i < n; i += LANES) {
    const __mmask16 lanes = First(n - i);
    _mm512_mask_storeu_ps(y + i, lanes,
                          _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, x + i), _mm512_maskz_loadu_ps(lanes, other + i)));
  }
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
void Add(const float *, const float *, float *, size_t) {}
void Sigmoid(const float *, float *, size_t) {}
void Gate(const float *, const float *, float *, size_t, size_t) {}
void Mean(const float *, float *, size_t, size_t) {}

}  // namespace tinynets

#endif
