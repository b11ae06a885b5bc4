// Calls every operator on many shapes, with buffers of exactly the tensors' sizes, for the compiler's sanitizers to
// watch (test_sanitizers.py). Only the presence of numbers is checked: outputs start as NaN, and what an operator
// promises to write must be finite after. Prints the names of the operators that it called; exits with 1 for a number
// that is missing.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

extern "C" {
#define OPERATOR(name) int name(int, void **, int *, int64_t **, const char **, void *, void *);
#include "operators.inc"  // OPERATOR(name) for every TINYNETS_OPERATOR of cc/*.cc, written by the test
#undef OPERATOR
void tinynets_set_threads(int);
int tinynets_check();
}

namespace {

using Operator = int (*)(int, void **, int *, int64_t **, const char **, void *, void *);
using Shape = std::vector<int64_t>;

std::mutex told;
std::set<std::string> called;

struct Tensor {
  Shape shape;
  std::unique_ptr<float[]> data;  // separate, so that access beyond it is detected
  size_t size = 1;
  explicit Tensor(Shape s) : shape(std::move(s)) {
    for (int64_t d : shape) size *= static_cast<size_t>(d);
    data.reset(new float[size]);
    for (size_t i = 0; i < size; i++) data[i] = std::numeric_limits<float>::quiet_NaN();
  }
  static Tensor of(const std::vector<float> &values) {
    Tensor t({static_cast<int64_t>(values.size())});
    for (size_t i = 0; i < values.size(); i++) t.data[i] = values[i];
    return t;
  }
};

std::minstd_rand &random_numbers() {
  static thread_local std::minstd_rand engine(1);
  return engine;
}

Tensor drawn(Shape shape) {
  Tensor t(std::move(shape));
  for (size_t i = 0; i < t.size; i++) t.data[i] = std::uniform_real_distribution<float>(0.1f, 1.1f)(random_numbers());
  return t;
}

// Outputs of the shapes `out`; the operator may leave those in `unwritten`.
std::vector<Tensor> run(const char *name, Operator f, std::initializer_list<const Tensor *> in, std::vector<Shape> out,
                        const std::set<size_t> &unwritten = {}) {
  std::vector<Tensor> made;
  for (Shape &shape : out) made.emplace_back(shape);
  std::vector<void *> data;
  std::vector<int> ranks;
  std::vector<int64_t *> shapes;
  const auto add = [&](const Tensor &t) {
    data.push_back(t.data.get());
    ranks.push_back(static_cast<int>(t.shape.size()));
    shapes.push_back(const_cast<int64_t *>(t.shape.data()));
  };
  for (const Tensor *t : in) add(*t);
  for (const Tensor &t : made) add(t);
  const int count = static_cast<int>(data.size());
  const int code = f(count, data.data(), ranks.data(), shapes.data(), nullptr, nullptr, nullptr);
  for (size_t i = 0; i < made.size(); i++)
    for (size_t j = 0; code || j < made[i].size; j++)
      if (code || (!unwritten.count(i) && !std::isfinite(made[i].data[j]))) {
        std::fprintf(stderr, "%s: code %d, output %zu, number %zu is missing\n", name, code, i, j);
        std::exit(1);
      }
  std::lock_guard<std::mutex> lock(told);
  called.insert(name);
  return made;
}
#define RUN(name, ...) run(#name, name, __VA_ARGS__)

// Options of src/tinynets/native/operators.py in their order.
Tensor options(int stride, int act, bool gated, bool residual, bool pooled, int input_act = -1, bool frozen = false,
               int gate = 0) {
  return Tensor::of({static_cast<float>(stride), static_cast<float>(act), 1e-5f, 0.9f, static_cast<float>(gated),
                     static_cast<float>(residual), static_cast<float>(pooled), static_cast<float>(input_act),
                     static_cast<float>(frozen), static_cast<float>(gate)});
}

Shape map(const Shape &x, int64_t channels, int64_t stride) {
  return {x[0], (x[1] - 1) / stride + 1, (x[2] - 1) / stride + 1, channels};
}

std::set<size_t> unless(bool written, size_t output) { return written ? std::set<size_t>{} : std::set<size_t>{output}; }

// A convolution with its norm, forward, in inference and backward.
void convolution(const Shape &shape, int64_t out, int kernel, int stride, int act, bool gate, bool residual,
                 bool pooled, bool frozen) {
  const int64_t n = shape[0], in = shape[3];
  const bool pointwise = kernel == 1 && stride == 1;
  const Shape y = map(shape, out, stride), v{out};
  const Tensor x = drawn(shape), w = drawn({out, in, kernel, kernel}), nothing = drawn({1});
  const Tensor gates = drawn(gate ? Shape{n, in} : Shape{1}), added = drawn(residual ? y : Shape{1});
  const Tensor gamma = drawn(v), beta = drawn(v), mean = drawn(v), variance = drawn(v);
  const Tensor told = options(stride, act, gate, residual, pooled, -1, frozen);
  const std::set<size_t> no_pool = unless(pooled, 5), no_mean = unless(pooled, 1);
  const auto made = RUN(convolution_forward, {&x, &gates, &added, &w, &gamma, &beta, &mean, &variance, &told},
                        {y, y, {2, out}, v, v, {n, out}}, no_pool);
  RUN(convolution_inference, {&x, &gates, &added, &w, &gamma, &beta, &mean, &variance, &told}, {y, {n, out}}, no_mean);
  const Tensor dy = drawn(y), dpool = drawn(pooled ? Shape{n, out} : Shape{1});
  std::set<size_t> unwritten;
  if (!pointwise) unwritten.insert(0);
  if (!gate) unwritten.insert(1);
  const auto back = RUN(convolution_backward, {&dy, &dpool, &x, &gates, &w, &gamma, &beta, &made[1], &made[2], &told},
                        {pointwise ? shape : Shape{1}, gates.shape, w.shape, v, v}, unwritten);
  RUN(convolution_input_gradient, {&dy, &dpool, &x, &w, &gamma, &beta, &made[1], &made[2], &back[3], &back[4], &told},
      {shape});
}

// A convolution with a deferred norm before a depthwise one, and that depthwise one with a finished input.
void chain(const Shape &shape, int64_t c, int kernel, int stride, int deep, int deep_stride, int act, bool pooled) {
  const bool pointwise = kernel == 1 && stride == 1;
  const int64_t n = shape[0];
  const Shape middle = map(shape, c, stride), y = map(middle, c, deep_stride), v{c};
  const Tensor x = drawn(shape), w = drawn({c, shape[3], kernel, kernel}), w2 = drawn({c, 1, deep, deep});
  const Tensor nothing = drawn({1});
  const Tensor gamma = drawn(v), beta = drawn(v), mean = drawn(v), variance = drawn(v);
  const Tensor told = options(stride, 0, false, false, false);
  const std::set<size_t> no_pool = unless(pooled, 5), no_mean = unless(pooled, 1);
  const auto sums = RUN(convolution_defer_norm_forward, {&x, &w, &mean, &variance, &told}, {middle, {2, c}, v, v});
  const Tensor dy = drawn(y), dpool = drawn(pooled ? Shape{n, c} : Shape{1});
  for (const bool finished : {false, true}) {
    const Tensor how = options(deep_stride, act, false, false, pooled, finished ? -1 : (act + 1) % 6);
    const Tensor &z = sums[0], &kept = finished ? nothing : sums[1];
    const Tensor &scale = finished ? nothing : gamma, &shift = finished ? nothing : beta;
    const auto made = RUN(depthwise_forward, {&z, &kept, &scale, &shift, &w2, &gamma, &beta, &mean, &variance, &how},
                          {y, y, {2, c}, v, v, {n, c}}, no_pool);
    RUN(depthwise_inference, {&z, &kept, &scale, &shift, &w2, &gamma, &beta, &mean, &variance, &how}, {y, {n, c}},
        no_mean);
    const auto back =
        RUN(depthwise_backward, {&dy, &dpool, &z, &kept, &scale, &shift, &w2, &gamma, &beta, &made[1], &made[2], &how},
            {middle, kept.shape, scale.shape, shift.shape, w2.shape, v, v},
            finished ? std::set<size_t>{1, 2, 3} : std::set<size_t>{});
    if (finished) continue;
    RUN(convolution_defer_norm_backward, {&back[0], &back[1], &x, &w, &sums[0], &sums[1], &told},
        {pointwise ? shape : Shape{1}, w.shape}, unless(pointwise, 0));
    RUN(convolution_defer_norm_input_gradient, {&back[0], &back[1], &x, &w, &sums[0], &sums[1], &told}, {shape});
  }
}

void gate(int64_t n, int64_t c, int64_t reduced, int act, int kind) {
  const Tensor means = drawn({n, c}), w1 = drawn({reduced, c, 1, 1}), w2 = drawn({c, reduced, 1, 1});
  const Tensor b1 = drawn({reduced}), b2 = drawn({c}), d = drawn({n, c});
  const Tensor told = options(1, act, false, false, false, -1, false, kind);
  const auto made = RUN(gate_forward, {&means, &w1, &b1, &w2, &b2, &told}, {{n, c}, {n, reduced}, {n, c}});
  RUN(gate_backward, {&d, &means, &w1, &w2, &made[1], &made[2], &told}, {{n, c}, w1.shape, {reduced}, w2.shape, {c}});
}

void layout(const Shape &s) {  // (n, h, w, c)
  const Tensor x = drawn({s[0], s[3], s[1], s[2]}), d = drawn({s[0], s[3]});
  const auto last = RUN(layout_channels_last, {&x}, {s});
  RUN(layout_channels_first, {&last[0]}, {x.shape});
  RUN(layout_mean, {&last[0]}, {{s[0], s[3]}});
  RUN(layout_mean_gradient, {&d, &last[0]}, {s});
}

void optimizers(int64_t a, int64_t b) {
  const Tensor rates = Tensor::of({0.1f, 0.05f}), rate = Tensor::of({0.1f}), three = Tensor::of({0.9f, 0.8f, 1e-3f});
  const Tensor two = Tensor::of({0.9f, 1.f}), decays = Tensor::of({0.f, 0.01f});
  const Tensor p = drawn({a}), s = drawn({a}), m = drawn({a}), g = drawn({a});
  const Tensor p2 = drawn({b}), s2 = drawn({b}), m2 = drawn({b}), g2 = drawn({b});
  RUN(optimizer_rmsprop, {&rate, &three, &decays, &p, &p2, &s, &s2, &m, &m2, &g, &g2}, {{1}});
  RUN(optimizer_adamw, {&rates, &three, &decays, &p, &p2, &m, &m2, &s, &s2, &g, &g2}, {{1}});
  RUN(optimizer_sgd, {&rate, &two, &decays, &p, &p2, &m, &m2, &g, &g2}, {{1}});
  RUN(optimizer_average, {&rate, &p, &p2, &g, &g2}, {{1}});
}

void everything() {
  int i = 0;
  const std::vector<Shape> shapes{{1, 1, 1, 1},  {2, 1, 1, 5},   {5, 3, 2, 17}, {1, 7, 9, 33},
                                  {3, 4, 4, 19}, {2, 13, 11, 7}, {1, 24, 25, 3}};
  for (const Shape &shape : shapes)
    for (const int kernel : {1, 3, 5}) {
      for (const int stride : {1, 2, 3}) {
        const int64_t out = std::vector<int64_t>{1, 9, 37, 70}[i % 4];
        convolution(shape, out, kernel, stride, i % 6, false, i % 3 == 0, i % 2 == 0, i % 5 == 0);
        chain(shape, out, i % 4 == 0 ? 3 : 1, i % 4 == 0 ? 2 : 1, kernel, stride, i % 6, i % 2 == 0);
        i++;
      }
      convolution(shape, 23, 1, 1, i % 6, true, true, true, false);
    }
  for (const Shape &shape : shapes) layout(shape);
  layout({2, 40, 40, 2});
  gate(1, 1, 1, 1, 0), gate(5, 37, 3, 2, 1), gate(19, 130, 70, 4, 0);
  optimizers(1, 17), optimizers(70000, 16385);
}

}  // namespace

int main() {
  if (tinynets_check() != 0) return 1;
  for (const int threads : {1, 3}) {
    tinynets_set_threads(threads);
    everything();
  }
  std::thread one(everything), other(everything);  // both with the helpers of the crew, and each other's
  one.join();
  other.join();
  for (const std::string &name : called) std::printf("%s\n", name.c_str());
  std::fflush(stdout);
  return 0;
}
