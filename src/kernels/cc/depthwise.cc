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
// An input may come before its own norm (norm.h): then its maps are finished in the thread's scratch as they are read, and the
// gradient goes back through activation and scale as it is written.
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
constexpr int GROUP = LANES > 8 ? 2 * LANES : 16;  // channels of a task: its maps stay in the cache

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

// Adds one map's share to dw [ky][kx][channel]; `dz_stride` and `x_stride` floats lie from pixel to pixel.
void weight_gradient(const Depthwise &d, const Axis &down, const Axis &across, const float *dz, int dz_stride, const float *x,
                     int x_stride, float *dw, int begin, int end) {
  const int64_t hop = static_cast<int64_t>(across.hop) * x_stride, walk = x_stride;
  for (const Run &rows : down.runs)
    for (int j = 0; j < rows.size; j++)
      for (int ky = 0; ky < rows.taps; ky++) {
        const float *dz_row = dz + static_cast<int64_t>(rows.start + j) * d.out_width * dz_stride;
        const float *x_row = x + static_cast<int64_t>(rows.from + j * down.hop + ky) * d.width * x_stride;
        float *dw_row = dw + static_cast<int64_t>(rows.tap + ky) * d.kernel * d.channels;
        for (const Run &run : across.runs)
          pairs(begin, end, [&](auto v, auto n, int c) {
            using V = decltype(v);
            constexpr int W = decltype(n)::value;
            const float *from_dz = dz_row + static_cast<int64_t>(run.start) * dz_stride + c;
            const float *from_x = x_row + static_cast<int64_t>(run.from) * x_stride + c;
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

// The input, finished or to be finished on the way in: one image's channels [begin, end) of it.
struct Input {
  const Depthwise &d;
  const float *x;
  const int activation;  // -1: finished
  const Coefficients k;

  Input(const Depthwise &d, const Options &options, const float *x, const float *kept, const float *gamma, const float *beta)
      : d(d), x(x), activation(options.input_activation), k(d.channels, COEFFICIENTS_IN) {
    if (!finished()) k.set_all(d.channels, kept, gamma, beta);
  }

  bool finished() const { return activation < 0; }

  // Where pixel 0, channel 0 would be, and the floats from pixel to pixel. With `slope`, act' goes to a map like it.
  const float *map(int64_t n, int begin, int end, int *stride, float *slope) const {
    const float *z = x + n * d.in_pixels * d.channels;
    if (finished()) {
      *stride = d.channels;
      return z;
    }
    *stride = end - begin;
    float *y = scratch(MAP, static_cast<size_t>(d.in_pixels) * *stride) - begin;
    with_activation(activation, [&](auto a) {
      using A = decltype(a);
      if (!slope) return apply<A>(z, d.channels, nullptr, y, *stride, d.in_pixels, begin, end, k, nullptr);
      for (int64_t r = 0; r < d.in_pixels; r++)
        columns(begin, end, [&](auto v, int c) {
          using V = decltype(v);
          const V u = load<V>(z + r * d.channels + c) * load<V>(k.scale + c) + load<V>(k.shift + c);
          store(y + r * *stride + c, A::value(u));
          store(slope + r * *stride + c, A::slope(u));
        });
    });
    return y;
  }

  // From dy, the gradient of a map as `map` made it: dz, the statistics held fixed, and the sums over the map of d = dy act'
  // and of d (z - mean), as two rows of `sums`.
  void back(int64_t n, const float *dy, const float *slope, int stride, float *dz, int begin, int end, float *sums) const {
    const float *z = x + n * d.in_pixels * d.channels;
    columns(begin, end, [&](auto v, int c) {
      using V = decltype(v);
      const V mean = load<V>(k.mean + c), scale = load<V>(k.scale + c);
      V all{}, all_off{};
      for (int64_t r = 0; r < d.in_pixels; r += STRETCH) {
        V sum{}, off{};
        for (int64_t i = r; i < std::min<int64_t>(d.in_pixels, r + STRETCH); i++) {
          const V g = load<V>(dy + i * stride + c) * load<V>(slope + i * stride + c);
          sum += g;
          off += g * (load<V>(z + i * d.channels + c) - mean);
          store(dz + i * d.channels + c, V(g * scale));
        }
        all += sum;
        all_off += off;
      }
      store(sums + c, all);
      store(sums + d.channels + c, all_off);
    });
  }

  // The maps' sums, (images, 2, channels), to the gradients of mean and inverse deviation (2, channels), gamma and beta.
  void gather_sums(const float *sums, float *dkept, float *dgamma, float *dbeta, const float *gamma) const {
    channel_groups(d.channels, [&](int begin, int end) {
      for (int c = begin; c < end; c++) {
        double sum = 0, off = 0;
        for (int64_t n = 0; n < d.images; n++) {
          sum += sums[n * 2 * d.channels + c];
          off += sums[n * 2 * d.channels + d.channels + c];
        }
        dbeta[c] = static_cast<float>(sum);
        dgamma[c] = static_cast<float>(off * k.inverse[c]);
        dkept[c] = static_cast<float>(-k.scale[c] * sum);
        dkept[d.channels + c] = static_cast<float>(gamma[c] * off);
      }
    });
  }
};

// inputs: x, its kept (2, channels), its gamma and beta (all three only for an input before its norm), weight, gamma, beta,
// running mean, running variance, options
// outputs: y, z, kept (2, channels), new running mean, new running variance, pooled (images, channels)
void forward(const Call &call) {
  const Options options(call.in(9));
  const Depthwise d(call.shape(0), call.shape(4), options.stride);
  const int channels = d.channels;
  const float *w = by_tap(d, call.in(4));
  float *z = call.out(11), *kept = call.out(12);
  const Input input(d, options, call.in(0), call.in(1), call.in(2), call.in(3));
  const Axis down = Axis::forward(d.height, d.out_height, d.kernel, d.stride);
  const Axis across = Axis::forward(d.width, d.out_width, d.kernel, d.stride);
  float *parts = scratch(PARTS, static_cast<size_t>(d.images) * 2 * channels);
  by_image_and_group(d, [&](int64_t n, int begin, int end) {
    float *map = z + n * d.pixels * channels, *part = parts + n * 2 * channels;
    int stride;
    const float *x = input.map(n, begin, end, &stride, nullptr);
    filter(d, down, across, x, d.width, stride, map, d.out_width, channels, w, begin, end);
    statistics(map, d.pixels, channels, begin, end, part, part + channels);
  });
  gather(parts, d.images, [&](int64_t) { return d.pixels; }, channels, options, call.in(7), call.in(8), kept, call.out(13),
         call.out(14));
  const Coefficients k(channels);
  k.set_all(channels, kept, call.in(5), call.in(6));
  normalise(Stretches(d.images, d.pixels), channels, options, z, nullptr, k, call.out(10), call.out(15));
}

// inputs: as forward, x finished; outputs: y, pooled
void inference(const Call &call) {
  const Options options(call.in(9));
  const Depthwise d(call.shape(0), call.shape(4), options.stride);
  const int channels = d.channels;
  const float *x = call.in(0), *w = by_tap(d, call.in(4));
  float *y = call.out(10), *pooled = call.out(11);
  const Axis down = Axis::forward(d.height, d.out_height, d.kernel, d.stride);
  const Axis across = Axis::forward(d.width, d.out_width, d.kernel, d.stride);
  const Coefficients k(channels);
  from_running(channels, options.epsilon, call.in(5), call.in(6), call.in(7), call.in(8), k);
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

// inputs: dy, gradient of pooled, x, its kept, gamma and beta, weight, gamma, beta, z, kept, options
// outputs: gradient of x (before its norm: the statistics held fixed), of its kept, gamma and beta, of the weight, of gamma
// and of beta
void backward(const Call &call) {
  const Options options(call.in(11));
  const Depthwise d(call.shape(2), call.shape(6), options.stride);
  const int channels = d.channels, taps = d.kernel * d.kernel;
  const float *w = by_tap(d, call.in(6));
  float *dx = call.out(12), *dw = call.out(16);
  const Input input(d, options, call.in(2), call.in(3), call.in(4), call.in(5));
  Backward norm(Stretches(d.images, d.pixels), channels, options, call.in(0), call.in(1), call.in(9), call.in(7), call.in(8),
                call.in(10));
  norm.sums(call.out(17), call.out(18));
  const Axis down = Axis::forward(d.height, d.out_height, d.kernel, d.stride);
  const Axis across = Axis::forward(d.width, d.out_width, d.kernel, d.stride);
  const Axis up = Axis::backward(d.height, d.out_height, d.kernel, d.stride);
  const Axis along = Axis::backward(d.width, d.out_width, d.kernel, d.stride);
  const int64_t chunks = std::min<int64_t>(d.images, 16);  // by the shape alone: the same sums for any number of threads
  float *sums = scratch(PARTS, static_cast<size_t>(chunks) * taps * channels);
  float *input_sums = input.finished() ? nullptr : scratch(SUMS, static_cast<size_t>(d.images) * 2 * channels);
  const int count = groups(d);
  parallel(chunks * count, [&](int64_t i) {
    const int64_t chunk = i / count;
    const int begin = static_cast<int>(i % count) * GROUP, end = std::min(channels, begin + GROUP), own = end - begin;
    float *dw_sum = sums + chunk * taps * channels;
    for (int t = 0; t < taps; t++) std::fill(dw_sum + t * channels + begin, dw_sum + t * channels + end, 0.f);
    float *dz = scratch(BLOCK, static_cast<size_t>(d.pixels) * own) - begin;
    for (int64_t n = d.images * chunk / chunks; n < d.images * (chunk + 1) / chunks; n++) {
      norm.block(n * d.pixels, d.pixels, begin, end, dz, own);
      float *slope = input.finished() ? nullptr : scratch(MAP_SLOPE, static_cast<size_t>(d.in_pixels) * own) - begin;
      int stride;
      const float *x = input.map(n, begin, end, &stride, slope);
      weight_gradient(d, down, across, dz, own, x, stride, dw_sum, begin, end);
      float *to = dx + n * d.in_pixels * channels;
      if (input.finished()) {
        filter(d, up, along, dz, d.out_width, own, to, d.width, channels, w, begin, end);
        continue;
      }
      float *dy = scratch(MAP_BACK, static_cast<size_t>(d.in_pixels) * own) - begin;
      filter(d, up, along, dz, d.out_width, own, dy, d.width, own, w, begin, end);
      input.back(n, dy, slope, own, to, begin, end, input_sums + n * 2 * channels);
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
  if (input_sums) input.gather_sums(input_sums, call.out(13), call.out(14), call.out(15), call.in(4));
}

}  // namespace
}  // namespace tinynets

TINYNETS_OPERATOR(depthwise_forward, tinynets::forward)
TINYNETS_OPERATOR(depthwise_inference, tinynets::inference)
TINYNETS_OPERATOR(depthwise_backward, tinynets::backward)
