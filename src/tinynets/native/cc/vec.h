// Vectors of floats by the compiler's vector types, and the functions on them that the kernels need.
//
// LANES is the width the file is compiled for: 16 with AVX-512, 8 with AVX2, else 4 (SSE2, NEON, or plain code).
// Tensors are channels-last, so lanes are channels. If the number of channels is not a multiple of LANES, the rest is
// computed with narrower vectors (see `columns`), never by reading past the end.
#pragma once
#if defined(__AVX__)
#include <immintrin.h>
#endif

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

namespace tinynets {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX2__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

template <int N>
struct Vector {
  static constexpr int lanes = N;
  typedef float type __attribute__((vector_size(4 * N)));
  typedef float loose __attribute__((vector_size(4 * N), aligned(4), may_alias));  // as it lies in a tensor
  typedef int32_t whole __attribute__((vector_size(4 * N)));
};

template <class V>
constexpr int lanes = sizeof(V) / 4;
template <class V>
using Whole = typename Vector<lanes<V>>::whole;
using Full = Vector<LANES>::type;

template <class V>
inline V load(const float *p) {
  return *reinterpret_cast<const typename Vector<lanes<V>>::loose *>(p);
}
template <class V>
inline void store(float *p, V v) {
  *reinterpret_cast<typename Vector<lanes<V>>::loose *>(p) = v;
}
template <class V>
inline V spread(float x) {
  return V{} + x;
}

// Stores the first n lanes only. Channels are multiples of eight, so half a vector is frequent, and a size known to the
// compiler is fast.
inline void store_part(float *p, Full v, int n) {
  if (n == LANES) return store(p, v);
  float all[LANES];
  store(all, v);
  if (n == LANES / 2) {
    std::memcpy(p, all, sizeof all / 2);
  } else {
    std::memcpy(p, all, sizeof(float) * n);
  }
}

// f(vector type, first channel) over the channels [begin, end): whole vectors, then narrower ones.
template <int N = LANES, class F>
inline void columns(int begin, int end, F &&f) {
  int c = begin;
  for (; c + N <= end; c += N) f(typename Vector<N>::type{}, c);
  if constexpr (N > 1) {
    if (c < end) columns<(N > 4 ? N / 2 : 1)>(c, end, std::forward<F>(f));
  }
}

// Lane by lane; a NaN in b propagates.
template <class V>
inline V larger(V a, V b) {
#if defined(__AVX512F__)
  if constexpr (lanes<V> == 16) return (V)_mm512_max_ps((__m512)a, (__m512)b);
#endif
  return a > b ? a : b;
}
template <class V>
inline V smaller(V a, V b) {
#if defined(__AVX512F__)
  if constexpr (lanes<V> == 16) return (V)_mm512_min_ps((__m512)a, (__m512)b);
#endif
  return a < b ? a : b;
}

// e^x to 2e-7 relative: x = n ln 2 + r, |r| <= ln 2 / 2, a polynomial for e^r (minimax of degree 6 as in Cephes), 2^n
// by the exponent's bits. n is rounded by adding 1.5 * 2^23. x is clamped to +-87, where sigmoids are constant.
template <class V>
inline V exponential(V x) {
  x = larger(spread<V>(-87.f), x);
  x = smaller(spread<V>(87.f), x);
  V n = x * 1.44269504088896341f + 12582912.f;
  const Whole<V> exponent = (Whole<V>)n << 23;
  n -= 12582912.f;
  const V r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  V p = spread<V>(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + (r + 1.f);
  return (V)((Whole<V>)p + exponent);
}

// 1/x for 1 <= x < 2^126, to 2e-7: an estimate from the exponent's bits, then three Newton steps, which is faster than
// wide divisions.
template <class V>
inline V reciprocal(V x) {
  V y = (V)(0x7EF311C7 - (Whole<V>)x);
  for (int i = 0; i < 3; i++) y = y + y * (1.f - x * y);
  return y;
}

template <class V>
inline V sigmoid(V z) {
  return reciprocal(1.f + exponential(-z));
}

}  // namespace tinynets
