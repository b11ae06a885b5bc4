// Products of a block of rows with a weight matrix, and the gradient of the weights: the inner loops of dense and
// pointwise convolution. Rows are pixels, so all matrices are row-major with channels last.
//
//   matmul        C[r, n]  = sum_k A[r, k] B[k, n]         forward and input gradient
//   outer         G[m, n] += sum_r D[r, m] X[r, n]         weight gradient
//
// Both hold a tile of the result in registers, ROWS x (WIDTH vectors), and loop over the sum: a step loads WIDTH
// vectors and broadcasts ROWS scalars for ROWS * WIDTH multiply-adds.
#pragma once
#include <algorithm>

#include "vec.h"

namespace tinynets {

#if defined(__AVX512F__) || defined(__aarch64__)  // 32 vector registers
constexpr int ROWS = 8, WIDTH = 3;
#else  // 16
constexpr int ROWS = 6, WIDTH = 2;
#endif

// The division of N columns into panels of at most WIDTH vectors, as even as possible; the last vector is padded with
// zeros.
struct Panels {
  int columns, vectors, count;
  explicit Panels(int n) : columns(n), vectors((n + LANES - 1) / LANES), count((vectors + WIDTH - 1) / WIDTH) {}
  int first(int p) const { return static_cast<int>(static_cast<int64_t>(vectors) * p / count); }
  int width(int p) const { return first(p + 1) - first(p); }
  size_t size(int k) const { return static_cast<size_t>(k) * vectors * LANES; }
};

// Panel p of B[k, n] = b[k * k_stride + n * n_stride], as [panel][k][width * LANES].
inline void pack(const Panels &panels, int p, const float *b, int k, int64_t k_stride, int64_t n_stride,
                 float *packed) {
  const int first = panels.first(p) * LANES, width = panels.width(p) * LANES;
  const int filled = std::min(width, panels.columns - first);
  float *to = packed + static_cast<size_t>(first) * k;
  const float *from = b + first * n_stride;
  for (int i = 0; i < k; i++, to += width) {
    for (int j = 0; j < filled; j++) to[j] = from[i * k_stride + j * n_stride];
    for (int j = filled; j < width; j++) to[j] = 0.f;
  }
}

template <int M, int W>
inline void matmul_tile(const float *a, int64_t lda, int k, const float *b, float *c, int64_t ldc, int columns) {
  Full sum[M][W] = {};
  for (int i = 0; i < k; i++, b += W * LANES) {
    Full row[W];
#pragma GCC unroll 8
    for (int w = 0; w < W; w++) row[w] = load<Full>(b + w * LANES);
#pragma GCC unroll 8
    for (int m = 0; m < M; m++) {
      const float x = a[m * lda + i];
#pragma GCC unroll 8
      for (int w = 0; w < W; w++) sum[m][w] += x * row[w];
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < M; m++) {
#pragma GCC unroll 8
    for (int w = 0; w + 1 < W; w++) store(c + m * ldc + w * LANES, sum[m][w]);
    store_part(c + m * ldc + (W - 1) * LANES, sum[m][W - 1], columns - (W - 1) * LANES);
  }
}

template <int W, int M = ROWS>
void matmul_panel(const float *a, int64_t lda, int rows, int k, const float *b, float *c, int64_t ldc, int columns) {
  int r = 0;
  for (; r + M <= rows; r += M) matmul_tile<M, W>(a + r * lda, lda, k, b, c + r * ldc, ldc, columns);
  if constexpr (M > 1) {
    if (r < rows) matmul_panel<W, (M > 4 ? 4 : M / 2)>(a + r * lda, lda, rows - r, k, b, c + r * ldc, ldc, columns);
  }
}

// C (rows, N) = A (rows, k) B, with B in panels.
inline void matmul(const float *a, int64_t lda, int rows, int k, const Panels &panels, const float *packed, float *c,
                   int64_t ldc) {
  for (int p = 0; p < panels.count; p++) {
    const int first = panels.first(p) * LANES, columns = std::min(panels.width(p) * LANES, panels.columns - first);
    const float *b = packed + static_cast<size_t>(first) * k;
    switch (panels.width(p)) {
      case 1:
        matmul_panel<1>(a, lda, rows, k, b, c + first, ldc, columns);
        break;
      case 2:
        matmul_panel<2>(a, lda, rows, k, b, c + first, ldc, columns);
        break;
      default:
        matmul_panel<WIDTH>(a, lda, rows, k, b, c + first, ldc, columns);
        break;
    }
  }
}

template <class V, int M, int W>
inline void outer_tile(const float *d, int64_t ldd, const float *x, int64_t ldx, int rows, float *g, int64_t ldg) {
  V sum[M][W] = {};
  for (int r = 0; r < rows; r++, d += ldd, x += ldx) {
    V row[W];
#pragma GCC unroll 8
    for (int w = 0; w < W; w++) row[w] = load<V>(x + w * lanes<V>);
#pragma GCC unroll 8
    for (int m = 0; m < M; m++)
#pragma GCC unroll 8
      for (int w = 0; w < W; w++) sum[m][w] += d[m] * row[w];
  }
#pragma GCC unroll 8
  for (int m = 0; m < M; m++)
#pragma GCC unroll 8
    for (int w = 0; w < W; w++) {
      float *to = g + m * ldg + w * lanes<V>;
      store(to, load<V>(to) + sum[m][w]);
    }
}

template <class V, int W, int M = ROWS>
void outer_column(const float *d, int64_t ldd, int m, const float *x, int64_t ldx, int rows, float *g, int64_t ldg) {
  int i = 0;
  for (; i + M <= m; i += M) outer_tile<V, M, W>(d + i, ldd, x, ldx, rows, g + i * ldg, ldg);
  if constexpr (M > 1) {
    if (i < m) outer_column<V, W, (M > 4 ? 4 : M / 2)>(d + i, ldd, m - i, x, ldx, rows, g + i * ldg, ldg);
  }
}

// G (m, n) += D (rows, m)^T X (rows, n).
inline void outer(const float *d, int64_t ldd, int m, const float *x, int64_t ldx, int n, int rows, float *g,
                  int64_t ldg) {
  int c = 0;
  for (; c + WIDTH * LANES <= n; c += WIDTH * LANES) outer_column<Full, WIDTH>(d, ldd, m, x + c, ldx, rows, g + c, ldg);
  if (WIDTH > 2 && c + 2 * LANES <= n) {
    outer_column<Full, 2>(d, ldd, m, x + c, ldx, rows, g + c, ldg);
    c += 2 * LANES;
  }
  columns(c, n, [&](auto v, int i) { outer_column<decltype(v), 1>(d, ldd, m, x + i, ldx, rows, g + i, ldg); });
}

}  // namespace tinynets
