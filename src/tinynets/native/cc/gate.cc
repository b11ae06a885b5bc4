// Squeeze-and-excitation's two small layers (Hu et al., CVPR 2018), from the means p of each image's channels to the
// gate:
//
//   u = p W1^T + b1,  a = act(u),  v = a W2^T + b2,  gate = f(v)
//
// with f the sigmoid or the hard one, p, v and the gate (images, channels), u and a (images, reduced),
//
// and their gradients: dv = dgate f'(v), dW2 = dv^T a, da = dv W2, du = da act'(u), dW1 = du^T p, dp = du W1. The means
// come from the convolution before (`pooled`), and the convolution after it applies the gate (convolution.cc), so no
// map is read here.
#include "activation.h"
#include "matmul.h"
#include "norm.h"
#include "operator.h"

namespace tinynets {
namespace {

constexpr int ROWS_A_TASK = 16, WEIGHTS_A_TASK = 64;

// The order is that of GATES in src/tinynets/native/operators.py.
template <class F>
void with_gate(int gate, F &&f) {
  if (gate == 1) return f(HardSigmoid{});
  return f(Sigmoid{});
}

// C (rows, n) = A (rows, k) B with B[k, n] = b[k * k_stride + n * n_stride]; finish(row) after each row of C.
template <class F>
void product(const float *a, int rows, int k, const float *b, int64_t k_stride, int64_t n_stride, int n, float *c,
             F &&finish) {
  const Panels panels(n);
  float *packed = scratch(WEIGHTS, panels.size(k));
  for (int p = 0; p < panels.count; p++) pack(panels, p, b, k, k_stride, n_stride, packed);
  parallel((rows + ROWS_A_TASK - 1) / ROWS_A_TASK, [&](int64_t i) {
    const int first = static_cast<int>(i) * ROWS_A_TASK, count = std::min(ROWS_A_TASK, rows - first);
    matmul(a + static_cast<int64_t>(first) * k, k, count, k, panels, packed, c + static_cast<int64_t>(first) * n, n);
    for (int r = first; r < first + count; r++) finish(r);
  });
}

// G (m, n) = D (rows, m)^T X (rows, n), and the sum of D's rows to `bias`.
void gradients(const float *d, int m, const float *x, int n, int rows, float *g, float *bias) {
  parallel((m + WEIGHTS_A_TASK - 1) / WEIGHTS_A_TASK, [&](int64_t i) {
    const int first = static_cast<int>(i) * WEIGHTS_A_TASK, count = std::min(WEIGHTS_A_TASK, m - first);
    std::fill(g + static_cast<int64_t>(first) * n, g + static_cast<int64_t>(first + count) * n, 0.f);
    for (int r = 0; r < rows; r += STRETCH)
      outer(d + static_cast<int64_t>(r) * m + first, m, count, x + static_cast<int64_t>(r) * n, n, n,
            std::min(STRETCH, rows - r), g + static_cast<int64_t>(first) * n, n);
    for (int j = first; j < first + count; j++) {
      double sum = 0;
      for (int r = 0; r < rows; r++) sum += d[static_cast<int64_t>(r) * m + j];
      bias[j] = static_cast<float>(sum);
    }
  });
}

// inputs: means, W1 (reduced, channels, 1, 1), b1, W2 (channels, reduced, 1, 1), b2, options
// outputs: gate, u, v
void forward(const Call &call) {
  const int rows = static_cast<int>(call.shape(0)[0]), channels = static_cast<int>(call.shape(0)[1]);
  const int reduced = static_cast<int>(call.shape(1)[0]);
  const float *b1 = call.in(2), *b2 = call.in(4);
  float *gate = call.out(6), *u = call.out(7), *v = call.out(8);
  float *hidden = scratch(BLOCK_BACK, static_cast<size_t>(rows) * reduced);
  with_activation(Options(call.in(5)).activation, [&](auto act) {
    product(call.in(0), rows, channels, call.in(1), 1, channels, reduced, u, [&](int r) {
      columns(0, reduced, [&](auto lane, int c) {
        using V = decltype(lane);
        float *at = u + static_cast<int64_t>(r) * reduced + c;
        const V sum = load<V>(at) + load<V>(b1 + c);
        store(at, sum);
        store(hidden + static_cast<int64_t>(r) * reduced + c, decltype(act)::value(sum));
      });
    });
  });
  with_gate(Options(call.in(5)).gate, [&](auto f) {
    product(hidden, rows, reduced, call.in(3), 1, reduced, channels, v, [&](int r) {
      columns(0, channels, [&](auto lane, int c) {
        using V = decltype(lane);
        float *at = v + static_cast<int64_t>(r) * channels + c;
        const V sum = load<V>(at) + load<V>(b2 + c);
        store(at, sum);
        store(gate + static_cast<int64_t>(r) * channels + c, decltype(f)::value(sum));
      });
    });
  });
}

// inputs: gradient of the gate, means, W1, W2, u, v, options
// outputs: gradient of the means, of W1, b1, W2, b2
void backward(const Call &call) {
  const int rows = static_cast<int>(call.shape(1)[0]), channels = static_cast<int>(call.shape(1)[1]);
  const int reduced = static_cast<int>(call.shape(2)[0]);
  const float *dgate = call.in(0), *u = call.in(4), *v = call.in(5);
  float *dv = scratch(BLOCK, static_cast<size_t>(rows) * channels);
  float *hidden = scratch(BLOCK_BACK, static_cast<size_t>(rows) * reduced),
        *du = scratch(MAP, static_cast<size_t>(rows) * reduced);
  with_gate(Options(call.in(6)).gate, [&](auto f) {
    for (int64_t i = 0; i < rows; i++)
      columns(0, channels, [&](auto lane, int c) {
        using V = decltype(lane);
        store(dv + i * channels + c,
              V(load<V>(dgate + i * channels + c) * decltype(f)::slope(load<V>(v + i * channels + c))));
      });
  });
  with_activation(Options(call.in(6)).activation, [&](auto act) {
    product(dv, rows, channels, call.in(3), reduced, 1, reduced, du, [&](int r) {
      columns(0, reduced, [&](auto lane, int c) {
        using V = decltype(lane);
        const int64_t at = static_cast<int64_t>(r) * reduced + c;
        const V sum = load<V>(u + at);
        store(hidden + at, decltype(act)::value(sum));
        store(du + at, V(load<V>(du + at) * decltype(act)::slope(sum)));
      });
    });
  });
  gradients(dv, channels, hidden, reduced, rows, call.out(10), call.out(11));
  gradients(du, reduced, call.in(1), channels, rows, call.out(8), call.out(9));
  product(du, rows, reduced, call.in(2), channels, 1, channels, call.out(7), [](int) {});
}

}  // namespace
}  // namespace tinynets

TINYNETS_OPERATOR(gate_forward, tinynets::forward)
TINYNETS_OPERATOR(gate_backward, tinynets::backward)
