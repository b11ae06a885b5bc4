// One operator for the in-place update of all parameters, element by element: no intermediate tensors, and one launch
// instead of several per parameter. An element's rounding does not depend on how the work is divided. Formulas:
// src/tinynets/training/optim.py and ema.py.
//
// inputs: the step's rates, the optimizer's constants, weight decay of each parameter, then the parameters, each of the
// optimizer's states, and the gradients; output: one number without meaning
#include <algorithm>
#include <cmath>
#include <vector>

#include "operator.h"
#include "threads.h"

namespace tinynets {
namespace {

constexpr int64_t PIECE = 16384;  // elements of a task

// f(tensor, first element, last) over all elements of `count` tensors, of which input `start` is the first.
template <class F>
void pieces(const Call &call, int start, int count, F &&f) {
  std::vector<int64_t> ends(count);
  for (int64_t i = 0, sum = 0; i < count; i++)
    ends[i] = sum += (call.size(start + static_cast<int>(i)) + PIECE - 1) / PIECE;
  constexpr int64_t TOGETHER = 4;  // pieces per task: most tensors are small
  const int64_t all = count ? ends.back() : 0;
  parallel((all + TOGETHER - 1) / TOGETHER, [&](int64_t task) {
    for (int64_t p = task * TOGETHER; p < std::min(all, (task + 1) * TOGETHER); p++) {
      const int i = static_cast<int>(std::upper_bound(ends.begin(), ends.end(), p) - ends.begin());
      const int64_t first = (p - (i ? ends[i - 1] : 0)) * PIECE;
      f(i, first, std::min(call.size(start + i), first + PIECE));
    }
  });
}

// rate: learning rate; constants: decay, momentum, epsilon; states: mean square, moment
void rmsprop(const Call &call) {
  const float *constants = call.in(1), *decays = call.in(2);
  const float lr = call.in(0)[0], keep = constants[0], momentum = constants[1], epsilon = constants[2];
  const int n = (call.count - 4) / 4;
  pieces(call, 3, n, [&](int i, int64_t begin, int64_t end) {
    float *__restrict p = call.out(3 + i), *__restrict s = call.out(3 + n + i), *__restrict m = call.out(3 + 2 * n + i);
    const float *__restrict gradient = call.in(3 + 3 * n + i);
    const float decay = decays[i];
    for (int64_t j = begin; j < end; j++) {
      const float g = gradient[j] + decay * p[j];
      s[j] = keep * s[j] + (1.f - keep) * g * g;
      m[j] = momentum * m[j] + lr * g / std::sqrt(s[j] + epsilon);
      p[j] -= m[j];
    }
  });
  call.out(call.count - 1)[0] = 1.f;
}

// rate: learning rate; constants: momentum, 1 for Nesterov's form; state: moment
void sgd(const Call &call) {
  const float *constants = call.in(1), *decays = call.in(2);
  const float lr = call.in(0)[0], momentum = constants[0], ahead = constants[1];
  const int n = (call.count - 4) / 3;
  pieces(call, 3, n, [&](int i, int64_t begin, int64_t end) {
    float *__restrict p = call.out(3 + i), *__restrict m = call.out(3 + n + i);
    const float *__restrict gradient = call.in(3 + 2 * n + i);
    const float decay = decays[i];
    for (int64_t j = begin; j < end; j++) {
      const float g = gradient[j] + decay * p[j];
      m[j] = momentum * m[j] + g;
      p[j] -= lr * (ahead != 0.f ? g + momentum * m[j] : m[j]);
    }
  });
  call.out(call.count - 1)[0] = 1.f;
}

// rates: learning rate, corrected learning rate; constants: beta1, beta2, epsilon; states: first and second moment
void adamw(const Call &call) {
  const float *constants = call.in(1), *decays = call.in(2);
  const float lr = call.in(0)[0], corrected = call.in(0)[1], beta1 = constants[0], beta2 = constants[1],
              epsilon = constants[2];
  const int n = (call.count - 4) / 4;
  pieces(call, 3, n, [&](int i, int64_t begin, int64_t end) {
    float *__restrict p = call.out(3 + i), *__restrict m = call.out(3 + n + i), *__restrict v = call.out(3 + 2 * n + i);
    const float *__restrict gradient = call.in(3 + 3 * n + i);
    const float rest = 1.f - lr * decays[i];
    for (int64_t j = begin; j < end; j++) {
      const float g = gradient[j];
      m[j] = beta1 * m[j] + (1.f - beta1) * g;
      v[j] = beta2 * v[j] + (1.f - beta2) * g * g;
      p[j] = rest * p[j] - corrected * m[j] / (std::sqrt(v[j]) + epsilon);
    }
  });
  call.out(call.count - 1)[0] = 1.f;
}

// rate; then, without constants, the averages and the weights
void average(const Call &call) {
  const float rate = call.in(0)[0];
  const int n = (call.count - 2) / 2;
  pieces(call, 1, n, [&](int i, int64_t begin, int64_t end) {
    float *__restrict shadow = call.out(1 + i);
    const float *__restrict weight = call.in(1 + n + i);
    for (int64_t j = begin; j < end; j++) shadow[j] += rate * (weight[j] - shadow[j]);
  });
  call.out(call.count - 1)[0] = 1.f;
}

}  // namespace
}  // namespace tinynets

TINYNETS_OPERATOR(optimizer_rmsprop, tinynets::rmsprop)
TINYNETS_OPERATOR(optimizer_sgd, tinynets::sgd)
TINYNETS_OPERATOR(optimizer_adamw, tinynets::adamw)
TINYNETS_OPERATOR(optimizer_average, tinynets::average)
