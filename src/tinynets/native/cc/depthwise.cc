// Depthwise convolution, batch norm and activation as one operator, on channels-last maps; odd kernels, any stride.
//
// Along one axis, output o reads inputs o * stride + t - reach for the taps t = 0 .. kernel - 1 that lie in the map.
// Consecutive outputs with the same taps form a run (the inner ones, and one or two at each border), and within a run
// both input and output advance evenly:
//
//   out[start + j * step] = sum_i w[tap + i * tap_step] in[from + j * hop + i * walk],   0 <= j < size, 0 <= i < taps
//
// The input gradient has the same form with input and output exchanged: input i sums dz[(i + reach - t) / stride] over
// the taps t for which that is an integer, so neighbours `stride` apart form the runs and the taps advance by `stride`.
// As both directions have this form, one loop computes both, with channels as the lanes of vectors.
//
// Everything runs row by row through an image, so that rows are still in the cache when they are used again. The norm
// of the input may be deferred (norm.h): then its rows are normalised in a small window as they are read, and the
// gradient is taken back through activation and scale as it is written.
//
// The weight gradient is dw[t] = sum of dz[o] x[o * stride + t - reach] over the same runs, one register per tap.
#include <vector>

#include "norm.h"
#include "operator.h"

namespace tinynets {
namespace {

struct Run {
  int start, size, from, tap, taps;
};

struct Axis {  // outputs of one axis and the inputs that each reads
  int step, hop, walk, tap_step;
  std::vector<Run> runs, single;  // the same, output by output in order

  void add(int start, int from, int tap, int taps) {
    if (start >= static_cast<int>(single.size())) single.resize(start + 1);
    single[start] = {start, 1, from, tap, taps};
    if (!runs.empty()) {
      Run &last = runs.back();
      if (last.tap == tap && last.taps == taps && last.start + last.size * step == start &&
          last.from + last.size * hop == from) {
        last.size++;
        return;
      }
    }
    runs.push_back({start, 1, from, tap, taps});
  }

  static Axis forward(int in, int out, int kernel, int stride) {
    Axis axis{1, stride, 1, 1, {}, {}};
    const int reach = (kernel - 1) / 2;
    for (int o = 0; o < out; o++) {
      const int begin = std::max(0, reach - o * stride), end = std::min(kernel, in + reach - o * stride);
      axis.add(o, o * stride + begin - reach, begin, std::max(0, end - begin));
    }
    return axis;
  }

  static Axis backward(int in, int out, int kernel, int stride) {
    Axis axis{stride, 1, -1, stride, {}, {}};
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
  int64_t pixels;

  Depthwise(const int64_t *x, const int64_t *w, int stride)
      : images(x[0]),
        height(static_cast<int>(x[1])),
        width(static_cast<int>(x[2])),
        channels(static_cast<int>(x[3])),
        kernel(static_cast<int>(w[2])),
        stride(stride),
        out_height((height - 1) / stride + 1),
        out_width((width - 1) / stride + 1),
        pixels(static_cast<int64_t>(out_height) * out_width) {}
};

constexpr int TOGETHER = LANES >= 16 ? 6 : 4;  // outputs of a run in registers

// `count` outputs, for the channels of `width` vectors.
template <class V, int W, int COUNT>
inline void some(float *out, int64_t out_step, const float *in, int64_t hop, int rows, int64_t row_walk, int taps,
                 int64_t walk, const float *w, int64_t row_step, int64_t tap_step) {
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
inline void line(float *out, int out_stride, const float *in, int in_stride, const Axis &axis, int rows,
                 int64_t row_walk, const float *w, int w_stride, int64_t row_step) {
  const int64_t out_step = static_cast<int64_t>(axis.step) * out_stride,
                hop = static_cast<int64_t>(axis.hop) * in_stride;
  const int64_t walk = static_cast<int64_t>(axis.walk) * in_stride,
                tap_step = static_cast<int64_t>(axis.tap_step) * w_stride;
  for (const Run &run : axis.runs) {
    float *to = out + static_cast<int64_t>(run.start) * out_stride;
    const float *from = in + static_cast<int64_t>(run.from) * in_stride, *first = w + run.tap * w_stride;
    int j = 0;
    for (; j + TOGETHER <= run.size; j += TOGETHER)
      some<V, W, TOGETHER>(to + j * out_step, out_step, from + j * hop, hop, rows, row_walk, run.taps, walk, first,
                           row_step, tap_step);
    for (; j + 2 <= run.size; j += 2)
      some<V, W, 2>(to + j * out_step, out_step, from + j * hop, hop, rows, row_walk, run.taps, walk, first, row_step,
                    tap_step);
    for (; j < run.size; j++)
      some<V, W, 1>(to + j * out_step, out_step, from + j * hop, hop, rows, row_walk, run.taps, walk, first, row_step,
                    tap_step);
  }
}

// f(vector type, vectors, first channel) over [begin, end): pairs of whole vectors, then the rest one by one.
template <class F>
inline void pairs(int begin, int end, F &&f) {
  int c = begin;
  for (; c + 2 * LANES <= end; c += 2 * LANES) f(Full{}, std::integral_constant<int, 2>{}, c);
  columns(c, end, [&](auto v, int i) { f(v, std::integral_constant<int, 1>{}, i); });
}

// Computes one row of outputs, channels [begin, end), from the rows of the run `rows`; `in` points to the first of
// them, `in_row` floats are from row to row. Weights as [ky][kx][channel].
inline void filter(const Depthwise &d, const Run &rows, const Axis &down, const Axis &across, const float *in,
                   int64_t in_row, int in_stride, float *out, int out_stride, const float *w, int begin, int end) {
  const float *first = w + static_cast<int64_t>(rows.tap) * d.kernel * d.channels;
  const int64_t row_step = static_cast<int64_t>(down.tap_step) * d.kernel * d.channels;
  pairs(begin, end, [&](auto v, auto n, int c) {
    line<decltype(v), decltype(n)::value>(out + c, out_stride, in + c, in_stride, across, rows.taps, down.walk * in_row,
                                          first + c, d.channels, row_step);
  });
}

template <class V, int W, int TAPS>
inline void taps_gradient(const float *dz, int64_t dz_stride, const float *x, int64_t hop, int64_t walk, int size,
                          float *dw, int64_t w_stride) {
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

// Adds the products of a row of dz and the row of x that it reads at one ky to dw [kx][channel].
inline void weight_gradient(const Depthwise &d, const Axis &across, const float *dz, int dz_stride, const float *x,
                            int x_stride, float *dw, int begin, int end) {
  const int64_t hop = static_cast<int64_t>(across.hop) * x_stride, walk = x_stride;
  for (const Run &run : across.runs)
    pairs(begin, end, [&](auto v, auto n, int c) {
      using V = decltype(v);
      constexpr int W = decltype(n)::value;
      const float *from_dz = dz + static_cast<int64_t>(run.start) * dz_stride + c;
      const float *from_x = x + static_cast<int64_t>(run.from) * x_stride + c;
      float *to = dw + run.tap * d.channels + c;
      int t = 0;
      const auto taps = [&](auto count) {
        constexpr int N = decltype(count)::value;
        for (; t + N <= run.taps; t += N)
          taps_gradient<V, W, N>(from_dz, dz_stride, from_x + t * walk, hop, walk, run.size, to + t * d.channels,
                                 d.channels);
      };
      taps(std::integral_constant<int, 5>{});
      taps(std::integral_constant<int, 3>{});
      taps(std::integral_constant<int, 2>{});
      taps(std::integral_constant<int, 1>{});
    });
}

// Weights (channels, 1, k, k) as [ky][kx][channel].
const float *by_tap(const Depthwise &d, const float *w) {
  const int taps = d.kernel * d.kernel;
  float *to = scratch(WEIGHTS, static_cast<size_t>(taps) * d.channels);
  for (int t = 0; t < taps; t++)
    for (int c = 0; c < d.channels; c++) to[t * d.channels + c] = w[c * taps + t];
  return to;
}

// f(part, first channel, last) in parallel over parts, for example images. With few parts, channels are divided as
// well.
template <class F>
void by_part(const Depthwise &d, int64_t parts, F &&f) {
  constexpr int LEAST = 2 * LANES;
  const int64_t most = (d.channels + LEAST - 1) / LEAST,
                groups = std::max<int64_t>(1, std::min(most, 2 * threads() / parts));
  const int64_t size = (d.channels + groups * LANES - 1) / (groups * LANES) * LANES;
  parallel(parts * groups, [&](int64_t i) {
    const int64_t begin = i / parts * size;
    if (begin < d.channels)
      f(i % parts, static_cast<int>(begin), static_cast<int>(std::min<int64_t>(d.channels, begin + size)));
  });
}

// The last rows of a map that is made row by row on demand, in a buffer that stays in the cache.
class Window {
 public:
  Window(Purpose purpose, int64_t row, int keep)
      : row_(row), keep_(keep), capacity_(keep + 8), buffer_(scratch(purpose, static_cast<size_t>(row) * capacity_)) {}

  // calls make(row number, its place) for the missing rows up to `last`
  template <class F>
  void upto(int last, F &&make) {
    for (; end_ <= last; end_++) {
      if (end_ - base_ == capacity_) {
        base_ = end_ - keep_;
        std::copy(buffer_ + (capacity_ - keep_) * row_, buffer_ + capacity_ * row_, buffer_);
      }
      make(end_, row(end_));
    }
  }
  float *row(int number) const { return buffer_ + (number - base_) * row_; }

 private:
  const int64_t row_;
  const int keep_, capacity_;
  float *buffer_;
  int base_ = 0, end_ = 0;
};

// The input: finished, or with a deferred norm and activation that are applied as its rows are read.
struct Input {
  const Depthwise &d;
  const float *x;
  const int activation;  // -1: finished
  const Coefficients k;

  Input(const Depthwise &d, const Options &options, const float *x, const float *kept, const float *gamma,
        const float *beta)
      : d(d), x(x), activation(options.input_activation), k(d.channels, COEFFICIENTS_IN) {
    if (!finished()) k.set_all(d.channels, kept, gamma, beta);
  }

  bool finished() const { return activation < 0; }

  const float *row(int64_t n, int number) const {
    return x + (n * d.height + number) * d.width * static_cast<int64_t>(d.channels);
  }

  // Writes a finished row to y, `stride` floats per pixel.
  void finish(int64_t n, int number, int begin, int end, float *y, int stride) const {
    with_activation(activation, [&](auto a) {
      apply<decltype(a)>(row(n, number), d.channels, nullptr, y, stride, d.width, begin, end, k, nullptr);
    });
  }

  // Writes its slope as well.
  void finish(int64_t n, int number, int begin, int end, float *y, float *slope, int stride) const {
    const float *z = row(n, number);
    with_activation(activation, [&](auto a) {
      using A = decltype(a);
      for (int r = 0; r < d.width; r++)
        columns(begin, end, [&](auto v, int c) {
          using V = decltype(v);
          const V u =
              load<V>(z + static_cast<int64_t>(r) * d.channels + c) * load<V>(k.scale + c) + load<V>(k.shift + c);
          store(y + static_cast<int64_t>(r) * stride + c, A::value(u));
          store(slope + static_cast<int64_t>(r) * stride + c, A::slope(u));
        });
    });
  }

  // Computes dz with fixed statistics from a row's dy; adds d = dy act' and d (z - mean) to the sums.
  void back(int64_t n, int number, const float *dy, const float *slope, int stride, float *dz, int begin, int end,
            float *sum, float *off) const {
    const float *z = row(n, number);
    for (int r = 0; r < d.width; r++)
      columns(begin, end, [&](auto v, int c) {
        using V = decltype(v);
        const int64_t here = static_cast<int64_t>(r) * stride + c, there = static_cast<int64_t>(r) * d.channels + c;
        const V g = load<V>(dy + here) * load<V>(slope + here);
        store(sum + c, V(load<V>(sum + c) + g));
        store(off + c, V(load<V>(off + c) + g * (load<V>(z + there) - load<V>(k.mean + c))));
        store(dz + there, V(g * load<V>(k.scale + c)));
      });
  }

  // Turns the images' sums, (images, 2, channels), into the gradients of mean and inverse std (2, channels), gamma and
  // beta.
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

// Computes one image's outputs row by row, channels [begin, end); calls done(row number, row) after each.
template <class F>
void convolve(const Depthwise &d, const Input &input, const Axis &down, const Axis &across, int64_t n, const float *w,
              float *out, int begin, int end, F &&done) {
  const int own = end - begin;
  Window window(MAP, input.finished() ? 0 : static_cast<int64_t>(d.width) * own, d.kernel);
  for (int y = 0; y < d.out_height; y++) {
    const Run &rows = down.single[y];
    float *to = out + (n * d.out_height + y) * d.out_width * static_cast<int64_t>(d.channels);
    if (input.finished()) {
      filter(d, rows, down, across, input.row(n, rows.from), static_cast<int64_t>(d.width) * d.channels, d.channels, to,
             d.channels, w, begin, end);
    } else {
      window.upto(rows.from + rows.taps - 1,
                  [&](int number, float *row) { input.finish(n, number, begin, end, row - begin, own); });
      filter(d, rows, down, across, window.row(rows.from) - begin, static_cast<int64_t>(d.width) * own, own, to,
             d.channels, w, begin, end);
    }
    done(y, to);
  }
}

// inputs: x, its kept (2, channels), its gamma and beta (all three only if its norm is deferred), weight, gamma, beta,
// running mean, running variance, options
//
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
  // statistics by bands of rows, which depend on the map's size only
  const int band = std::max(1, STRETCH / d.out_width), bands = (d.out_height + band - 1) / band;
  const auto band_rows = [&](int64_t i) { return std::min<int64_t>(band, d.out_height - i % bands * band); };
  float *parts = scratch(PARTS, static_cast<size_t>(d.images) * bands * 2 * channels);
  by_part(d, d.images, [&](int64_t n, int begin, int end) {
    convolve(d, input, down, across, n, w, z, begin, end, [&](int y, const float *row) {
      if ((y + 1) % band && y + 1 < d.out_height) return;
      const int64_t i = n * bands + y / band, rows = band_rows(i), line = static_cast<int64_t>(d.out_width) * channels;
      statistics(row - (rows - 1) * line, rows * d.out_width, channels, begin, end, parts + i * 2 * channels,
                 parts + i * 2 * channels + channels);
    });
  });
  gather(
      parts, d.images * bands, [&](int64_t i) { return band_rows(i) * d.out_width; }, channels, options, call.in(7),
      call.in(8), kept, call.out(13), call.out(14));
  const Coefficients k(channels);
  k.set_all(channels, kept, call.in(5), call.in(6));
  normalise(Stretches(d.images, d.pixels), channels, options, z, nullptr, k, call.out(10), call.out(15));
}

// inputs: as forward; outputs: y, pooled
void inference(const Call &call) {
  const Options options(call.in(9));
  const Depthwise d(call.shape(0), call.shape(4), options.stride);
  const int channels = d.channels;
  const float *w = by_tap(d, call.in(4));
  float *y = call.out(10), *pooled = call.out(11);
  const Axis down = Axis::forward(d.height, d.out_height, d.kernel, d.stride);
  const Axis across = Axis::forward(d.width, d.out_width, d.kernel, d.stride);
  const Coefficients k(channels);
  from_running(channels, options.epsilon, call.in(5), call.in(6), call.in(7), call.in(8), k);
  const Input input(d, options, call.in(0), call.in(1), call.in(2), call.in(3));
  with_activation(options.activation, [&](auto a) {
    by_part(d, d.images, [&](int64_t n, int begin, int end) {
      float *sum = options.pooled ? zeros(end - begin) - begin : nullptr;
      convolve(d, input, down, across, n, w, y, begin, end, [&](int, float *row) {
        apply<decltype(a)>(row, channels, nullptr, row, channels, d.out_width, begin, end, k, sum);
      });
      if (sum)
        for (int c = begin; c < end; c++) pooled[n * channels + c] = sum[c] / d.pixels;
    });
  });
}

// inputs: dy, gradient of pooled, x, its kept, gamma and beta, weight, gamma, beta, z, kept, options
//
// outputs: gradient of x (if its norm is deferred: with fixed statistics), of its kept, gamma and beta, of the weight,
// of gamma and of beta
void backward(const Call &call) {
  const Options options(call.in(11));
  const Depthwise d(call.shape(2), call.shape(6), options.stride);
  const int channels = d.channels, taps = d.kernel * d.kernel;
  const float *w = by_tap(d, call.in(6));
  float *dx = call.out(12), *dw = call.out(16);
  const Input input(d, options, call.in(2), call.in(3), call.in(4), call.in(5));
  Backward norm(Stretches(d.images, d.pixels), channels, options, call.in(0), call.in(1), call.in(9), call.in(7),
                call.in(8), call.in(10));
  norm.sums(call.out(17), call.out(18));
  const Axis down = Axis::forward(d.height, d.out_height, d.kernel, d.stride);
  const Axis across = Axis::forward(d.width, d.out_width, d.kernel, d.stride);
  const Axis up = Axis::backward(d.height, d.out_height, d.kernel, d.stride);
  const Axis along = Axis::backward(d.width, d.out_width, d.kernel, d.stride);
  const int64_t chunks = std::min<int64_t>(d.images, 16);  // by the shape only: the same sums for any number of threads
  float *sums = scratch(PARTS, static_cast<size_t>(chunks) * taps * channels);
  float *input_sums = input.finished() ? nullptr : scratch(SUMS, static_cast<size_t>(d.images) * 2 * channels);
  by_part(d, chunks, [&](int64_t chunk, int begin, int end) {
    const int own = end - begin;
    const int64_t out_row = static_cast<int64_t>(d.out_width) * own, in_row = static_cast<int64_t>(d.width) * own;
    float *dw_sum = sums + chunk * taps * channels;
    for (int t = 0; t < taps; t++) std::fill(dw_sum + t * channels + begin, dw_sum + t * channels + end, 0.f);
    float *dy = scratch(MAP_BACK, in_row) - begin, *slope = scratch(MAP_SLOPE, in_row) - begin;
    float *finished = scratch(MAP, in_row) - begin;
    for (int64_t n = d.images * chunk / chunks; n < d.images * (chunk + 1) / chunks; n++) {
      Window window(BLOCK, out_row, d.kernel);  // rows of dz
      float *sum = input_sums ? zeros(2 * static_cast<size_t>(own)) - begin : nullptr, *off = sum ? sum + own : nullptr;
      for (int y = 0; y < d.height; y++) {
        const Run &rows = up.single[y];  // the outputs that read this row, from the last one backwards
        if (rows.taps)
          window.upto(rows.from, [&](int number, float *row) {
            norm.block(n * d.pixels + static_cast<int64_t>(number) * d.out_width, d.out_width, begin, end, row - begin,
                       own);
          });
        const float *dz = rows.taps ? window.row(rows.from) - begin : nullptr, *x = input.row(n, y);
        if (!input.finished()) {
          input.finish(n, y, begin, end, finished, slope, own);
          x = finished;
        }
        const int stride = input.finished() ? channels : own;
        for (int t = 0; t < rows.taps; t++)
          weight_gradient(d, across, dz - t * out_row, own, x, stride,
                          dw_sum + (rows.tap + t * d.stride) * d.kernel * channels, begin, end);
        float *to = dx + (n * d.height + y) * d.width * static_cast<int64_t>(channels);
        filter(d, rows, up, along, dz, out_row, own, input.finished() ? to : dy, stride, w, begin, end);
        if (!input.finished()) input.back(n, y, dy, slope, own, to, begin, end, sum, off);
      }
      if (!input_sums) continue;
      std::copy(sum + begin, sum + end, input_sums + n * 2 * channels + begin);
      std::copy(off + begin, off + end, input_sums + (n * 2 + 1) * channels + begin);
    }
  });
  channel_groups(channels, [&](int begin, int end) {
    for (int c = begin; c < end; c++)
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
