// Depthwise convolution, batch norm and activation as one operator, on channels-last maps; odd kernels, any stride.
//
// Along one axis, output o sees inputs o * stride + t - reach through the taps t = 0 .. kernel - 1, as far as they lie in
// the map. Outputs in a row with the same taps form a run (the inner ones, and one or two at each border), and within
// a run both input and output advance evenly:
//
//   out[start + j * step] = sum_i w[tap + i * tap_step] in[from + j * hop + i * walk],   0 <= j < size, 0 <= i < taps
//
// The input gradient has the same form with input and output exchanged: input i collects dz[(i + reach - t) / stride]
// over the taps t for which that is whole, so neighbours `stride` apart form the runs and the taps advance by `stride`.
// Both axes being of that form, one loop serves both directions, with lanes of channels as the vectors.
//
// The weight gradient is dw[t] = sum of dz[o] x[o * stride + t - reach] over the same runs, a register a tap.
#include <vector>

#include "norm.h"
#include "operator.h"

namespace tinynets {
namespace {

struct Run {
  int start, size, from, tap, taps;
};

struct Axis {  // outputs of one axis and what each sees
  int step, hop, walk, tap_step;
  std::vector<Run> runs;

  void add(int start, int from, int tap, int taps) {
    if (!runs.empty()) {
      Run &last = runs.back();
      if (last.tap == tap && last.taps == taps && last.start + last.size * step == start && last.from + last.size * hop == from) {
        last.size++;
        return;
      }
    }
    runs.push_back({start, 1, from, tap, taps});
  }

  static Axis forward(int in, int out, int kernel, int stride) {
    Axis axis{1, stride, 1, 1, {}};
    const int reach = (kernel - 1) / 2;
    for (int o = 0; o < out; o++) {
      const int begin = std::max(0, reach - o * stride), end = std::min(kernel, in + reach - o * stride);
      axis.add(o, o * stride + begin - reach, begin, std::max(0, end - begin));
    }
    return axis;
  }

  static Axis backward(int in, int out, int kernel, int stride) {
    Axis axis{stride, 1, -1, stride, {}};
    const int reach = (kernel - 1) / 2;
    for (int phase = 0; phase < stride; phase++)
      for (int i = phase; i < in; i += stride) {
        int first = -1, taps = 0;
        for (int t = (i + reach) % stride; t < kernel; t += stride) {
          const int o = (i + reach - t) / stride;
          if (i + reach < t || o >= out) continue;
          if (first < 0) first = t;
          taps++;
        }
        axis.add(i, first < 0 ? 0 : (i + reach - first) / stride, std::max(first, 0), taps);
      }
    return axis;
  }
};

struct Depthwise {
  int64_t images;
  int height, width, channels, kernel, stride, out_height, out_width;
  int64_t pixels, in_pixels;

  Depthwise(const int64_t *x, const int64_t *w, int stride)
      : images(x[0]), height(static_cast<int>(x[1])), width(static_cast<int>(x[2])), channels(static_cast<int>(x[3])),
        kernel(static_cast<int>(w[2])), stride(stride), out_height((height - 1) / stride + 1),
        out_width((width - 1) / stride + 1), pixels(static_cast<int64_t>(out_height) * out_width),
        in_pixels(static_cast<int64_t>(height) * width) {}
};

constexpr int TOGETHER = LANES >= 16 ? 6 : 4;  // outputs of a run in registers
constexpr int GROUP = 32;                      // channels of a task

// `count` outputs, for the channels of `width` vectors.
template <class V, int W, int COUNT>
inline void some(float *out, int64_t out_step, const float *in, int64_t hop, int rows, int64_t row_walk, int taps, int64_t walk,
                 const float *w, int64_t row_step, int64_t tap_step) {
  V sum[COUNT][W] = {};
  for (int r = 0; r < rows; r++, in += row_walk, w += row_step)
    for (int t = 0; t < taps; t++) {
      V weight[W];
#pragma GCC unroll 8
      for (int i = 0; i < W; i++) weight[i] = load<V>(w + t * tap_step + i * lanes<V>);
#pragma GCC unroll 8
      for (int j = 0; j < COUNT; j++)
#pragma GCC unroll 8
        for (int i = 0; i < W; i++) sum[j][i] += weight[i] * load<V>(in + t * walk + j * hop + i * lanes<V>);
    }
#pragma GCC unroll 8
  for (int j = 0; j < COUNT; j++)
#pragma GCC unroll 8
    for (int i = 0; i < W; i++) store(out + j * out_step + i * lanes<V>, sum[j][i]);
}

template <class V, int W>
inline void line(float *out, int out_stride, const float *in, int in_stride, const Axis &axis, int rows, int64_t row_walk,
                 const float *w, int w_stride, int64_t row_step) {
  const int64_t out_step = static_cast<int64_t>(axis.step) * out_stride, hop = static_cast<int64_t>(axis.hop) * in_stride;
  const int64_t walk = static_cast<int64_t>(axis.walk) * in_stride, tap_step = static_cast<int64_t>(axis.tap_step) * w_stride;
  for (const Run &run : axis.runs) {
    float *to = out + static_cast<int64_t>(run.start) * out_stride;
    const float *from = in + static_cast<int64_t>(run.from) * in_stride, *first = w + run.tap * w_stride;
    int j = 0;
    for (; j + TOGETHER <= run.size; j += TOGETHER)
      some<V, W, TOGETHER>(to + j * out_step, out_step, from + j * hop, hop, rows, row_walk, run.taps, walk, first, row_step, tap_step);
    for (; j + 2 <= run.size; j += 2)
      some<V, W, 2>(to + j * out_step, out_step, from + j * hop, hop, rows, row_walk, run.taps, walk, first, row_step, tap_step);
    for (; j < run.size; j++)
      some<V, W, 1>(to + j * out_step, out_step, from + j * hop, hop, rows, row_walk, run.taps, walk, first, row_step, tap_step);
  }
}

// f(vector type, vectors, first channel) over [begin, end): pairs of whole vectors, then the rest one by one.
template <class F> inline void pairs(int begin, int end, F &&f) {
  int c = begin;
  for (; c + 2 * LANES <= end; c += 2 * LANES) f(Full{}, std::integral_constant<int, 2>{}, c);
  columns(c, end, [&](auto v, int i) { f(v, std::integral_constant<int, 1>{}, i); });
}

// One map's channels [begin, end) through the taps of both axes; w as [ky][kx][channel].
void filter(const Depthwise &d, const Axis &down, const Axis &across, const float *in, int in_width, int in_stride, float *out,
            int out_width, int out_stride, const float *w, int begin, int end) {
  const int64_t row_walk = static_cast<int64_t>(down.walk) * in_width * in_stride;
  const int64_t row_step = static_cast<int64_t>(down.tap_step) * d.kernel * d.channels;
  for (const Run &run : down.runs)
    for (int j = 0; j < run.size; j++) {
      float *to = out + static_cast<int64_t>(run.start + j * down.step) * out_width * out_stride;
      const float *from = in + static_cast<int64_t>(run.from + j * down.hop) * in_width * in_stride;
      const float *first = w + static_cast<int64_t>(run.tap) * d.kernel * d.channels;
      pairs(begin, end, [&](auto v, auto n, int c) {
        line<decltype(v), decltype(n)::value>(to + c, out_stride, from + c, in_stride, across, run.taps, row_walk, first + c,
                                              d.channels, row_step);
      });
    }
}

template <class V, int W, int TAPS>
inline void taps_gradient(const float *dz, int64_t dz_stride, const float *x, int64_t hop, int64_t walk, int size, float *dw,
                          int64_t w_stride) {
  V sum[TAPS][W] = {};
  for (int j = 0; j < size; j++, dz += dz_stride, x += hop) {
    V d[W];
#pragma GCC unroll 8
    for (int i = 0; i < W; i++) d[i] = load<V>(dz + i * lanes<V>);
#pragma GCC unroll 8
    for (int t = 0; t < TAPS; t++)
#pragma GCC unroll 8
      for (int i = 0; i < W; i++) sum[t][i] += d[i] * load<V>(x + t * walk + i * lanes<V>);
  }
#pragma GCC unroll 8
  for (int t = 0; t < TAPS; t++)
#pragma GCC unroll 8
    for (int i = 0; i < W; i++) {
      float *to = dw + t * w_stride + i * lanes<V>;
      store(to, load<V>(to) + sum[t][i]);
    }
}

// Adds one map's share to dw [ky][kx][channel]; dz lies in a buffer of its own, `dz_stride` floats a pixel.
void weight_gradient(const Depthwise &d, const Axis &down, const Axis &across, const float *dz, int dz_stride, const float *x,
                     float *dw, int begin, int end) {
  const int64_t hop = static_cast<int64_t>(across.hop) * d.channels, walk = d.channels;
  for (const Run &rows : down.runs)
    for (int j = 0; j < rows.size; j++)
      for (int ky = 0; ky < rows.taps; ky++) {
        const float *dz_row = dz + static_cast<int64_t>(rows.start + j) * d.out_width * dz_stride;
        const float *x_row = x + static_cast<int64_t>(rows.from + j * down.hop + ky) * d.width * d.channels;
        float *dw_row = dw + static_cast<int64_t>(rows.tap + ky) * d.kernel * d.channels;
        for (const Run &run : across.runs)
          pairs(begin, end, [&](auto v, auto n, int c) {
            using V = decltype(v);
            constexpr int W = decltype(n)::value;
            const float *from_dz = dz_row + static_cast<int64_t>(run.start) * dz_stride + c - begin;
            const float *from_x = x_row + static_cast<int64_t>(run.from) * d.channels + c;
            float *to = dw_row + run.tap * d.channels + c;
            int t = 0;
            const auto taps = [&](auto count) {
              constexpr int N = decltype(count)::value;
              for (; t + N <= run.taps; t += N)
                taps_gradient<V, W, N>(from_dz, dz_stride, from_x + t * walk, hop, walk, run.size, to + t * d.channels, d.channels);
            };
            taps(std::integral_constant<int, 5>{});
            taps(std::integral_constant<int, 3>{});
            taps(std::integral_constant<int, 2>{});
            taps(std::integral_constant<int, 1>{});
          });
      }
}

// Weights (channels, 1, k, k) as [ky][kx][channel].
const float *by_tap(const Depthwise &d, const float *w) {
  const int taps = d.kernel * d.kernel;
  float *to = scratch(WEIGHTS, static_cast<size_t>(taps) * d.channels);
  for (int t = 0; t < taps; t++)
    for (int c = 0; c < d.channels; c++) to[t * d.channels + c] = w[c * taps + t];
  return to;
}

int groups(const Depthwise &d) { return (d.channels + GROUP - 1) / GROUP; }

// f(image, first channel, last) in parallel
template <class F> void by_image_and_group(const Depthwise &d, F &&f) {
  const int count = groups(d);
  parallel(d.images * count, [&](int64_t i) {
    const int begin = static_cast<int>(i % count) * GROUP;
    f(i / count, begin, std::min(d.channels, begin + GROUP));
  });
}

// inputs: x, weight, gamma, beta, running mean, running variance, options
// outputs: y, z, kept (2, channels), new running mean, new running variance, pooled (images, channels)
void forward(const Call &call) {
  const Options options(call.in(6));
  const Depthwise d(call.shape(0), call.shape(1), options.stride);
  const int channels = d.channels;
  const float *x = call.in(0), *w = by_tap(d, call.in(1));
  float *z = call.out(8);
  const Axis down = Axis::forward(d.height, d.out_height, d.kernel, d.stride);
  const Axis across = Axis::forward(d.width, d.out_width, d.kernel, d.stride);
  float *parts = scratch(PARTS, static_cast<size_t>(d.images) * 2 * channels);
  by_image_and_group(d, [&](int64_t n, int begin, int end) {
    float *map = z + n * d.pixels * channels, *part = parts + n * 2 * channels;
    filter(d, down, across, x + n * d.in_pixels * channels, d.width, channels, map, d.out_width, channels, w, begin, end);
    statistics(map, d.pixels, channels, begin, end, part, part + channels);
  });
  const Coefficients k(channels);
  gather(parts, d.images, [&](int64_t) { return d.pixels; }, channels, options, call.in(2), call.in(3), call.in(4), call.in(5), k,
         call.out(9), call.out(10), call.out(11));
  normalise(Stretches(d.images, d.pixels), channels, options, z, nullptr, k, call.out(7), call.out(12));
}

// inputs: as forward; outputs: y, pooled
void inference(const Call &call) {
  const Options options(call.in(6));
  const Depthwise d(call.shape(0), call.shape(1), options.stride);
  const int channels = d.channels;
  const float *x = call.in(0), *w = by_tap(d, call.in(1));
  float *y = call.out(7), *pooled = call.out(8);
  const Axis down = Axis::forward(d.height, d.out_height, d.kernel, d.stride);
  const Axis across = Axis::forward(d.width, d.out_width, d.kernel, d.stride);
  const Coefficients k(channels);
  from_running(channels, options.epsilon, call.in(2), call.in(3), call.in(4), call.in(5), k);
  with_activation(options.activation, [&](auto a) {
    by_image_and_group(d, [&](int64_t n, int begin, int end) {
      float *map = y + n * d.pixels * channels;
      filter(d, down, across, x + n * d.in_pixels * channels, d.width, channels, map, d.out_width, channels, w, begin, end);
      float *sum = options.pooled ? pooled + n * channels : nullptr;
      if (sum) std::fill(sum + begin, sum + end, 0.f);
      for (int row = 0; row < d.out_height; row++) {
        float *line = map + static_cast<int64_t>(row) * d.out_width * channels;
        apply<decltype(a)>(line, channels, nullptr, line, channels, d.out_width, begin, end, k, sum);
      }
      if (sum)
        for (int c = begin; c < end; c++) sum[c] /= d.pixels;
    });
  });
}

// inputs: dy, gradient of pooled, x, weight, gamma, beta, z, kept, options
// outputs: dx, gradient of the weight, of gamma and of beta
void backward(const Call &call) {
  const Options options(call.in(8));
  const Depthwise d(call.shape(2), call.shape(3), options.stride);
  const int channels = d.channels, taps = d.kernel * d.kernel;
  const float *x = call.in(2), *w = by_tap(d, call.in(3));
  float *dx = call.out(9), *dw = call.out(10);
  Backward norm(Stretches(d.images, d.pixels), channels, options, call.in(0), call.in(1), call.in(6), call.in(4), call.in(5),
                call.in(7));
  norm.sums(call.out(11), call.out(12));
  const Axis down = Axis::forward(d.height, d.out_height, d.kernel, d.stride);
  const Axis across = Axis::forward(d.width, d.out_width, d.kernel, d.stride);
  const Axis up = Axis::backward(d.height, d.out_height, d.kernel, d.stride);
  const Axis along = Axis::backward(d.width, d.out_width, d.kernel, d.stride);
  const int64_t chunks = std::min<int64_t>(d.images, 16);  // by the shape alone: the same sums for any number of threads
  float *sums = scratch(PARTS, static_cast<size_t>(chunks) * taps * channels);
  const int count = groups(d);
  parallel(chunks * count, [&](int64_t i) {
    const int64_t chunk = i / count;
    const int begin = static_cast<int>(i % count) * GROUP, end = std::min(channels, begin + GROUP), own = end - begin;
    float *dw_sum = sums + chunk * taps * channels;
    for (int t = 0; t < taps; t++) std::fill(dw_sum + t * channels + begin, dw_sum + t * channels + end, 0.f);
    float *dz = scratch(BLOCK, static_cast<size_t>(d.pixels) * own);
    for (int64_t n = d.images * chunk / chunks; n < d.images * (chunk + 1) / chunks; n++) {
      norm.block(n * d.pixels, d.pixels, begin, end, dz - begin, own);
      filter(d, up, along, dz - begin, d.out_width, own, dx + n * d.in_pixels * channels, d.width, channels, w, begin, end);
      weight_gradient(d, down, across, dz, own, x + n * d.in_pixels * channels, dw_sum, begin, end);
    }
  });
  parallel(count, [&](int64_t g) {
    for (int c = static_cast<int>(g) * GROUP; c < std::min<int>(channels, (static_cast<int>(g) + 1) * GROUP); c++)
      for (int t = 0; t < taps; t++) {
        float sum = 0;
        for (int64_t chunk = 0; chunk < chunks; chunk++) sum += sums[(chunk * taps + t) * channels + c];
        dw[c * taps + t] = sum;
      }
  });
}

}  // namespace
}  // namespace tinynets

TINYNETS_OPERATOR(depthwise_forward, tinynets::forward)
TINYNETS_OPERATOR(depthwise_inference, tinynets::inference)
TINYNETS_OPERATOR(depthwise_backward, tinynets::backward)
