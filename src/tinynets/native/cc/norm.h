// Batch norm and the activation after it, on channels-last maps z (images, pixels, channels), for all convolutions
// here.
//
// Training. With the mean m and the variance v of a channel over all M = images * pixels values:
//   h = (z - m) / sqrt(v + epsilon),  u = gamma h + beta,  y = act(u)
// Gradient. With d = dy act'(u), S1 = sum d, S2 = sum d h over the channel:
//   dbeta = S1,  dgamma = S2,  dz = gamma / sqrt(v + epsilon) (d - S1 / M - h S2 / M)
// (Ioffe and Szegedy, ICML 2015, section 3). u is recomputed from z, so that only z and y are kept.
//
// The norm of z may be deferred to the next layer, which gets z, (mean, 1 / std), gamma and beta, and computes y as it
// reads z: this saves one pass over the largest maps in each direction.
//
// Sums over short stretches are in float, sums over the stretches in double. Their borders depend on the shapes only,
// so results are the same bits for any number of threads.
#pragma once
#include <algorithm>
#include <cmath>

#include "activation.h"
#include "scratch.h"
#include "threads.h"
#include "vec.h"

namespace tinynets {

// The options of every call from Python, in this order (src/tinynets/native/operators.py, Options).
struct Options {
  int stride, activation;
  float epsilon, momentum;
  bool gated, residual, pooled;
  int input_activation;  // of an input with a deferred norm; -1: the norm is done
  bool frozen;           // the running statistics are used, as in evaluation
  int gate;              // of squeeze-and-excitation: gate.cc
  explicit Options(const float *p)
      : stride(static_cast<int>(p[0])),
        activation(static_cast<int>(p[1])),
        epsilon(p[2]),
        momentum(p[3]),
        gated(p[4] != 0),
        residual(p[5] != 0),
        pooled(p[6] != 0),
        input_activation(static_cast<int>(p[7])),
        frozen(p[8] != 0),
        gate(static_cast<int>(p[9])) {}
};

constexpr int STRETCH = 128;  // values (or a few times that) summed in float before double

// The images cut into stretches of pixels: the tasks of the elementwise passes.
struct Stretches {
  int64_t images, pixels, length, per_image;
  Stretches(int64_t images, int64_t pixels)
      : images(images),
        pixels(pixels),
        length(std::min<int64_t>(pixels, 4 * STRETCH)),
        per_image((pixels + length - 1) / length) {}
  int64_t count() const { return images * per_image; }
  int64_t image(int64_t i) const { return i / per_image; }
  int64_t first(int64_t i) const { return image(i) * pixels + i % per_image * length; }  // in pixels of all images
  int64_t size(int64_t i) const { return std::min(length, pixels - i % per_image * length); }
};

// Mean and sum of squared deviations of each channel in [begin, end) over `rows` rows of z, rows <= a few STRETCHes.
// The squares are computed relative to the first row, so that a large mean does not cost precision.
inline void statistics(const float *z, int64_t rows, int64_t stride, int begin, int end, float *mean, float *squares) {
  columns(begin, end, [&](auto v, int c) {
    using V = decltype(v);
    const V about = load<V>(z + c);
    V sum{}, square{};
    for (int64_t r = 0; r < rows; r += STRETCH) {
      V s{}, q{};
      const int64_t until = std::min<int64_t>(rows, r + STRETCH);
      for (int64_t i = r; i < until; i++) {
        const V d = load<V>(z + i * stride + c) - about;
        s += d;
        q += d * d;
      }
      sum += s;
      square += q;
    }
    const V average = sum * (1.f / rows);
    const V rest = square - average * sum;
    store(mean + c, about + average);
    store(squares + c, rest > 0.f ? rest : V{});
  });
}

// Per-channel numbers of one normalisation: u = z * scale + shift.
struct Coefficients {
  // inverse = 1 / sqrt(v + epsilon); of the gradient dz = d * scale + (z - mean) * lean + level
  float *scale, *shift, *mean, *inverse, *lean, *level;
  explicit Coefficients(int channels, Purpose place = COEFFICIENTS) {
    float *p = scratch(place, static_cast<size_t>(channels) * 6);
    for (float **field : {&scale, &shift, &mean, &inverse, &lean, &level}) {
      *field = p;
      p += channels;
    }
  }
  void set(int c, float gamma, float beta) const {
    scale[c] = gamma * inverse[c];
    shift[c] = beta - mean[c] * scale[c];
  }
  // Sets them from `kept`, (mean, inverse) of every channel.
  void set_all(int channels, const float *kept, const float *gamma, const float *beta) const {
    for (int c = 0; c < channels; c++) {
      mean[c] = kept[c];
      inverse[c] = kept[channels + c];
      set(c, gamma[c], beta[c]);
    }
  }
};

// f(first, last) over groups of channels, in parallel.
template <class F>
void channel_groups(int channels, F &&f) {
  constexpr int GROUP = 64;
  parallel((channels + GROUP - 1) / GROUP, [&](int64_t g) {
    f(static_cast<int>(g) * GROUP, std::min<int>(channels, (static_cast<int>(g) + 1) * GROUP));
  });
}

// Combines the statistics of parts, [part][mean | squares][channel] with `size(part)` values each, into `kept`, the
// mean and the inverse std of each channel (Chan, Golub and LeVeque 1983), and updates the running statistics: momentum
// is the weight of the old ones, the new variance is unbiased. Frozen: `kept` has the running statistics.
template <class Size>
void gather(const float *parts, int64_t count, Size &&size, int channels, const Options &options, const float *old_mean,
            const float *old_variance, float *kept, float *new_mean, float *new_variance) {
  if (options.frozen) {
    for (int c = 0; c < channels; c++) {
      kept[c] = new_mean[c] = old_mean[c];
      kept[channels + c] = static_cast<float>(1.0 / std::sqrt(static_cast<double>(old_variance[c]) + options.epsilon));
      new_variance[c] = old_variance[c];
    }
    return;
  }
  channel_groups(channels, [&](int begin, int end) {
    const int n = end - begin;
    double total = 0, mean[64] = {}, square[64] = {};
    for (int64_t p = 0; p < count; p++) {
      const float *part = parts + p * 2 * channels + begin;
      const double weight = static_cast<double>(size(p));
      total += weight;
      for (int c = 0; c < n; c++) mean[c] += weight * part[c];
    }
    for (int c = 0; c < n; c++) mean[c] /= total;
    for (int64_t p = 0; p < count; p++) {
      const float *part = parts + p * 2 * channels + begin;
      const double weight = static_cast<double>(size(p));
      for (int c = 0; c < n; c++) {
        const double off = part[c] - mean[c];
        square[c] += part[channels + c] + weight * off * off;
      }
    }
    for (int i = 0; i < n; i++) {
      const int c = begin + i;
      const double variance = square[i] / total;
      kept[c] = static_cast<float>(mean[i]);
      kept[channels + c] = static_cast<float>(1.0 / std::sqrt(variance + options.epsilon));
      const double unbiased = total > 1 ? square[i] / (total - 1) : variance;
      new_mean[c] =
          static_cast<float>(options.momentum * static_cast<double>(old_mean[c]) + (1.0 - options.momentum) * mean[i]);
      new_variance[c] = static_cast<float>(options.momentum * static_cast<double>(old_variance[c]) +
                                           (1.0 - options.momentum) * unbiased);
    }
  });
}

// The coefficients of the running statistics, for inference.
inline void from_running(int channels, float epsilon, const float *gamma, const float *beta, const float *mean,
                         const float *variance, const Coefficients &k) {
  for (int c = 0; c < channels; c++) {
    k.mean[c] = mean[c];
    k.inverse[c] = static_cast<float>(1.0 / std::sqrt(static_cast<double>(variance[c]) + epsilon));
    k.set(c, gamma[c], beta[c]);
  }
}

// y = act(z * scale + shift) (+ residual) on a block of rows; adds the rows' sum to `sum` if given. z and y may be the
// same.
template <class A>
void apply(const float *z, int64_t z_stride, const float *residual, float *y, int64_t y_stride, int64_t rows, int begin,
           int end, const Coefficients &k, float *sum) {
  for (int64_t r = 0; r < rows; r++)
    columns(begin, end, [&](auto v, int c) {
      using V = decltype(v);
      V out = A::value(load<V>(z + r * z_stride + c) * load<V>(k.scale + c) + load<V>(k.shift + c));
      if (residual) out += load<V>(residual + r * y_stride + c);
      store(y + r * y_stride + c, out);
      if (sum) store(sum + c, load<V>(sum + c) + out);
    });
}

// Turns sums of an image's parts, [image][part][channel], into means over its pixels, (images, channels).
inline void average(int64_t images, int64_t per_image, int64_t pixels, const float *parts, int channels,
                    float *pooled) {
  parallel(images, [&](int64_t n) {
    for (int c = 0; c < channels; c++) {
      double sum = 0;
      for (int64_t j = 0; j < per_image; j++) sum += parts[(n * per_image + j) * channels + c];
      pooled[n * channels + c] = static_cast<float>(sum / pixels);
    }
  });
}

// The elementwise pass of the forward operators in training: z -> y, and its mean over each image if asked for.
inline void normalise(const Stretches &cut, int channels, const Options &options, const float *z, const float *residual,
                      const Coefficients &k, float *y, float *pooled) {
  float *parts = options.pooled ? scratch(SUMS, cut.count() * static_cast<size_t>(channels)) : nullptr;
  with_activation(options.activation, [&](auto a) {
    parallel(cut.count(), [&](int64_t i) {
      const int64_t at = cut.first(i) * channels;
      float *sum = parts ? zeros(channels) : nullptr;
      apply<decltype(a)>(z + at, channels, residual ? residual + at : nullptr, y + at, channels, cut.size(i), 0,
                         channels, k, sum);
      if (sum) std::copy(sum, sum + channels, parts + i * channels);
    });
  });
  if (parts) average(cut.images, cut.per_image, cut.pixels, parts, channels, pooled);
}

// The gradient through activation and norm, from the values that the forward operator kept. `sums` computes S1 and S2,
// then `block` computes dz for any block of rows:  dz = d * scale + (z - mean) * lean + level.
class Backward {
 public:
  const Coefficients k;

  // kept: mean and inverse (2, channels); pool_gradient: of the means over each image, (images, channels), or null
  Backward(const Stretches &cut, int channels, const Options &options, const float *dy, const float *pool_gradient,
           const float *z, const float *gamma, const float *beta, const float *kept)
      : k(channels),
        cut_(cut),
        channels_(channels),
        activation_(options.activation),
        frozen_(options.frozen),
        dy_(dy),
        pool_gradient_(options.pooled ? pool_gradient : nullptr),
        z_(z) {
    k.set_all(channels, kept, gamma, beta);
  }

  // For a result with a deferred norm: the inputs are the gradients of z with fixed statistics, and of the statistics
  // themselves, `dkept` (2, channels) for mean and inverse std i. As dm/dz = 1/M and di/dz = -i^3 (z - m) / M:
  // dz = d + dm / M - di i^3 (z - m) / M.
  Backward(const Stretches &cut, int channels, const float *d, const float *dkept, const float *z, const float *kept)
      : k(channels),
        cut_(cut),
        channels_(channels),
        activation_(0),
        frozen_(false),
        dy_(d),
        pool_gradient_(nullptr),
        z_(z) {
    const double values = static_cast<double>(cut.images) * cut.pixels;
    for (int c = 0; c < channels; c++) {
      const double inverse = kept[channels + c];
      k.mean[c] = kept[c];
      k.scale[c] = 1.f;
      k.shift[c] = 0.f;
      k.lean[c] = static_cast<float>(-dkept[channels + c] * inverse * inverse * inverse / values);
      k.level[c] = static_cast<float>(dkept[c] / values);
    }
  }

  // Computes dgamma, dbeta and the coefficients for `block`.
  void sums(float *dgamma, float *dbeta) {
    const int channels = channels_;
    float *parts = scratch(SUMS, static_cast<size_t>(cut_.count()) * 2 * channels);
    with_activation(activation_, [&](auto a) {
      parallel(cut_.count(), [&](int64_t i) {
        float *part = zeros(2 * static_cast<size_t>(channels)), *part2 = part + channels;
        const int64_t first = cut_.first(i);
        each<decltype(a)>(first, cut_.size(i), cut_.image(i), 0, channels, [&](auto d, auto h, int64_t, int c) {
          using V = decltype(d);
          store(part + c, load<V>(part + c) + d);
          store(part2 + c, load<V>(part2 + c) + d * h);
        });
        std::copy(part, part + 2 * channels, parts + i * 2 * channels);
      });
    });
    channel_groups(channels, [&](int begin, int end) {
      double s1[64] = {}, s2[64] = {};
      for (int64_t p = 0; p < cut_.count(); p++) {
        const float *part = parts + p * 2 * channels + begin;
        for (int c = 0; c < end - begin; c++) {
          s1[c] += part[c];
          s2[c] += part[channels + c];
        }
      }
      for (int c = begin; c < end; c++) {
        dbeta[c] = static_cast<float>(s1[c - begin]);
        dgamma[c] = static_cast<float>(s2[c - begin] * k.inverse[c]);
      }
    });
    from_sums(dgamma, dbeta);
  }

  // Computes the coefficients for `block` from dgamma and dbeta. Frozen statistics have no gradient.
  void from_sums(const float *dgamma, const float *dbeta) const {
    const double share = frozen_ ? 0.0 : 1.0 / (static_cast<double>(cut_.images) * cut_.pixels);
    for (int c = 0; c < channels_; c++) {
      k.lean[c] = static_cast<float>(-k.scale[c] * k.inverse[c] * (dgamma[c] * share));
      k.level[c] = static_cast<float>(-k.scale[c] * (dbeta[c] * share));
    }
  }

  // Writes dz of `rows` pixels from `first` (counted over all images; all are of one image) for the channels
  // [begin, end) to out[row * stride + channel].
  void block(int64_t first, int64_t rows, int begin, int end, float *out, int64_t stride) const {
    with_activation(activation_, [&](auto a) {
      each<decltype(a)>(first, rows, first / cut_.pixels, begin, end, [&](auto d, auto off, int64_t r, int c) {
        using V = decltype(d);
        store(out + r * stride + c, d * load<V>(k.scale + c) + off * load<V>(k.lean + c) + load<V>(k.level + c));
      });
    });
  }

 private:
  // f(d, z - mean, row, channel) with d = dy act'(u)
  template <class A, class F>
  void each(int64_t first, int64_t rows, int64_t image, int begin, int end, F &&f) const {
    const float *pool = pool_gradient_ ? pool_gradient_ + image * channels_ : nullptr;
    const float share = 1.f / cut_.pixels;
    for (int64_t r = 0; r < rows; r++) {
      const int64_t at = (first + r) * channels_;
      columns(begin, end, [&](auto v, int c) {
        using V = decltype(v);
        V d = load<V>(dy_ + at + c);
        if (pool) d += load<V>(pool + c) * share;
        const V z = load<V>(z_ + at + c);
        f(V(d * A::slope(V(z * load<V>(k.scale + c) + load<V>(k.shift + c)))), V(z - load<V>(k.mean + c)), r, c);
      });
    }
  }

  const Stretches cut_;
  const int channels_, activation_;
  const bool frozen_;
  const float *dy_, *pool_gradient_, *z_;
};

}  // namespace tinynets
