// Convolution, batch norm and activation as one operator, on channels-last maps: dense kernels of any size and stride,
// of which the pointwise (1x1) ones are most of these networks.
//
// A convolution is a matrix product: row r of A holds the patch of output pixel r, in the order (ky, kx, channel), and
// the weights in that order are B. The patches of a 1x1 kernel are the rows of x; larger ones are copied, one block of
// rows at a time. The block, its product and its statistics stay in the cache:
//
//   forward    z = A B, statistics of the block; after all blocks, y = act(norm(z)) (+ residual)
//   backward   S1 and S2 (norm.h); then block by block dz, dA = dz B^T and dB += A^T dz
//
// so that dz is never stored as a whole. A gate g (images, channels) of squeeze-and-excitation scales the rows of A as
// they are read: A = x g, so dx = dA g and dg = sum over the image of dA x.
//
// The operators named "defer norm" leave the norm of z to the operator that reads it (norm.h).
#include "matmul.h"
#include "norm.h"
#include "operator.h"

namespace tinynets {
namespace {

struct Convolution {
  int64_t images;
  int height, width, in, kernel, stride, out_height, out_width, out;
  int64_t pixels;  // of an output map
  int depth;       // of a patch
  int row;         // floats from patch to patch: copied ones are padded to whole vectors

  Convolution(const int64_t *x, const int64_t *w, int stride)
      : images(x[0]),
        height(static_cast<int>(x[1])),
        width(static_cast<int>(x[2])),
        in(static_cast<int>(x[3])),
        kernel(static_cast<int>(w[2])),
        stride(stride),
        out_height((height - 1) / stride + 1),
        out_width((width - 1) / stride + 1),
        out(static_cast<int>(w[0])),
        pixels(static_cast<int64_t>(out_height) * out_width),
        depth(kernel * kernel * in),
        row(pointwise() ? in : (depth + LANES - 1) / LANES * LANES) {}

  bool pointwise() const { return kernel == 1 && stride == 1; }

  // f(row from `first`, patch offset, floats, offset in x, whole) over the runs of the patches of `rows` output pixels;
  // a patch is whole when no part of it lies outside the map.
  template <class F>
  void patches(int64_t first, int64_t rows, F &&f) const {
    const int reach = (kernel - 1) / 2;
    int64_t image = first / pixels;
    int y = static_cast<int>(first % pixels / out_width), x = static_cast<int>(first % pixels % out_width);
    for (int64_t r = 0; r < rows; r++) {
      const int top = y * stride - reach, left = x * stride - reach;
      const int from = std::max(0, -left), to = std::min(kernel, width - left);
      const int begin = std::max(0, -top), end = std::min(kernel, height - top);
      const bool whole = from == 0 && to == kernel && begin == 0 && end == kernel;
      for (int ky = begin; ky < end; ky++)
        f(r, (ky * kernel + from) * in, (to - from) * in,
          ((image * height + top + ky) * width + left + from) * static_cast<int64_t>(in), whole);
      if (++x < out_width) continue;
      x = 0;
      if (++y < out_height) continue;
      y = 0;
      image++;
    }
  }
};

// Rows of A computed together: whole images, or a part of one; depends on sizes only.
struct Blocks {
  int64_t images, pixels, together, length, per_image;
  Blocks(const Convolution &c) : images(c.images), pixels(c.pixels) {
    const int64_t wide = std::max(c.depth, c.out);
    const int64_t rows = std::min<int64_t>(STRETCH, std::max<int64_t>(32, 32768 / wide / 8 * 8));
    together = std::max<int64_t>(1, rows / pixels);
    length = std::min(rows, pixels);
    per_image = (pixels + length - 1) / length;
  }
  int64_t count() const { return per_image > 1 ? images * per_image : (images + together - 1) / together; }
  int64_t first(int64_t i) const {
    return per_image > 1 ? i / per_image * pixels + i % per_image * length : i * together * pixels;
  }
  int64_t size(int64_t i) const {
    return per_image > 1 ? std::min(length, pixels - i % per_image * length)
                         : std::min(together, images - i * together) * pixels;
  }
  int64_t most() const { return per_image > 1 ? length : together * pixels; }
};

// f(image, first row in the block, rows) over the images of a block
template <class F>
void by_image(const Blocks &blocks, int64_t first, int64_t rows, F &&f) {
  for (int64_t r = 0; r < rows;) {
    const int64_t n = (first + r) / blocks.pixels, size = std::min(rows - r, (n + 1) * blocks.pixels - first - r);
    f(n, r, size);
    r += size;
  }
}

// Copies short runs; eight floats or more in groups of eight, of which the last may overlap the one before.
inline void copy(float *to, const float *from, int count) {
  using V = Vector<8>::type;
  int i = 0;
  for (; i + 8 <= count; i += 8) store(to + i, load<V>(from + i));
  if (i == count) return;
  if (count >= 8) return store(to + count - 8, load<V>(from + count - 8));
  for (; i < count; i++) to[i] = from[i];
}

// Returns `rows` rows of A from pixel `first`: in x itself, or made in the thread's scratch.
const float *patches(const Convolution &c, const Blocks &blocks, const float *x, const float *gate, int64_t first,
                     int64_t rows) {
  if (c.pointwise() && !gate) return x + first * c.in;
  float *block = scratch(BLOCK, static_cast<size_t>(blocks.most()) * c.row);
  if (c.pointwise()) {
    by_image(blocks, first, rows, [&](int64_t n, int64_t r, int64_t size) {
      for (int64_t i = r; i < r + size; i++)
        columns(0, c.in, [&](auto v, int j) {
          using V = decltype(v);
          store(block + i * c.in + j, load<V>(x + (first + i) * c.in + j) * load<V>(gate + n * c.in + j));
        });
    });
    return block;
  }
  int64_t cleared = -1;  // the row last filled with zeros
  c.patches(first, rows, [&](int64_t r, int at, int count, int64_t from, bool whole) {
    float *row = block + r * c.row;
    if (r != cleared) std::fill(whole ? row + c.depth : row, row + c.row, 0.f);
    cleared = r;
    copy(row + at, x + from, count);
  });
  return block;
}

// Weights (out, in, k, k) as (out, k, k, in) and back.
const float *patch_order(const Convolution &c, const float *w) {
  const int taps = c.kernel * c.kernel;
  if (taps == 1) return w;
  float *ordered = scratch(WEIGHTS_BACK, static_cast<size_t>(c.out) * c.depth);
  for (int o = 0; o < c.out; o++)
    for (int i = 0; i < c.in; i++)
      for (int t = 0; t < taps; t++) ordered[o * c.depth + t * c.in + i] = w[o * c.depth + i * taps + t];
  return ordered;
}

const float *packed(const Panels &panels, const float *b, int k, int64_t k_stride, int64_t n_stride) {
  float *to = scratch(WEIGHTS, panels.size(k));
  parallel(panels.count, [&](int64_t p) { pack(panels, static_cast<int>(p), b, k, k_stride, n_stride, to); });
  return to;
}

// Computes z = A B, and the statistics of each block of it.
const float *products(const Convolution &c, const Blocks &blocks, const float *x, const float *gate,
                      const float *weight, float *z) {
  const Panels panels(c.out);
  const float *b = packed(panels, patch_order(c, weight), c.depth, 1, c.depth);
  float *parts = scratch(PARTS, static_cast<size_t>(blocks.count()) * 2 * c.out);
  parallel(blocks.count(), [&](int64_t i) {
    const int64_t first = blocks.first(i), rows = blocks.size(i);
    const float *a = patches(c, blocks, x, gate, first, rows);
    matmul(a, c.row, static_cast<int>(rows), c.depth, panels, b, z + first * c.out, c.out);
    statistics(z + first * c.out, rows, c.out, 0, c.out, parts + i * 2 * c.out, parts + i * 2 * c.out + c.out);
  });
  return parts;
}

// inputs: x, gate, residual, weight, gamma, beta, running mean, running variance, options
// outputs: y, z, kept (2, out), new running mean, new running variance, pooled (images, out)
void forward(const Call &call) {
  const Options options(call.in(8));
  const Convolution c(call.shape(0), call.shape(3), options.stride);
  const Blocks blocks(c);
  float *z = call.out(10), *kept = call.out(11);
  const float *parts = products(c, blocks, call.in(0), options.gated ? call.in(1) : nullptr, call.in(3), z);
  gather(
      parts, blocks.count(), [&](int64_t i) { return blocks.size(i); }, c.out, options, call.in(6), call.in(7), kept,
      call.out(12), call.out(13));
  const Coefficients k(c.out);
  k.set_all(c.out, kept, call.in(4), call.in(5));
  normalise(Stretches(c.images, c.pixels), c.out, options, z, options.residual ? call.in(2) : nullptr, k, call.out(9),
            call.out(14));
}

// The same without the norm, which the next layer computes when it reads z.
// inputs: x, weight, running mean, running variance, options
// outputs: z, kept (2, out), new running mean, new running variance
void defer_norm_forward(const Call &call) {
  const Options options(call.in(4));
  const Convolution c(call.shape(0), call.shape(1), options.stride);
  const Blocks blocks(c);
  const float *parts = products(c, blocks, call.in(0), nullptr, call.in(1), call.out(5));
  gather(
      parts, blocks.count(), [&](int64_t i) { return blocks.size(i); }, c.out, options, call.in(2), call.in(3),
      call.out(6), call.out(7), call.out(8));
}

// inputs: as forward; outputs: y, pooled
void inference(const Call &call) {
  const Options options(call.in(8));
  const Convolution c(call.shape(0), call.shape(3), options.stride);
  const Blocks blocks(c);
  const float *x = call.in(0), *gate = options.gated ? call.in(1) : nullptr;
  const float *residual = options.residual ? call.in(2) : nullptr;
  float *y = call.out(9), *pooled = call.out(10);
  const Panels panels(c.out);
  const float *b = packed(panels, patch_order(c, call.in(3)), c.depth, 1, c.depth);
  const Coefficients k(c.out);
  from_running(c.out, options.epsilon, call.in(4), call.in(5), call.in(6), call.in(7), k);
  float *sums = options.pooled ? scratch(SUMS, static_cast<size_t>(c.images * blocks.per_image) * c.out) : nullptr;
  with_activation(options.activation, [&](auto act) {
    parallel(blocks.count(), [&](int64_t i) {
      const int64_t first = blocks.first(i), rows = blocks.size(i);
      const float *a = patches(c, blocks, x, gate, first, rows);
      float *to = y + first * c.out;
      matmul(a, c.row, static_cast<int>(rows), c.depth, panels, b, to, c.out);
      by_image(blocks, first, rows, [&](int64_t n, int64_t r, int64_t size) {
        float *sum = sums ? zeros(c.out) : nullptr;
        apply<decltype(act)>(to + r * c.out, c.out, residual ? residual + (first + r) * c.out : nullptr, to + r * c.out,
                             c.out, size, 0, c.out, k, sum);
        if (sum) std::copy(sum, sum + c.out, sums + (blocks.per_image > 1 ? i : n) * c.out);
      });
    });
  });
  if (sums) average(c.images, blocks.per_image, c.pixels, sums, c.out, pooled);
}

// The weight gradient is summed within chunks of consecutive blocks, then over the chunks. Their number is large enough
// for the threads, small enough for memory, and independent of the number of threads.
int64_t chunk_count(const Convolution &c, const Blocks &blocks) {
  const int64_t weights = static_cast<int64_t>(c.out) * c.row;
  const int64_t allowed = std::max<int64_t>(2, (int64_t{1} << 20) / weights);
  return std::max<int64_t>(
      1, std::min<int64_t>({blocks.count(), 16, allowed, std::max<int64_t>(2, c.images * c.pixels / 64)}));
}

// dA and dB from dz, block by block: dx (null if patches overlap), the gate's gradient (null without one), dw.
void gradients(const Convolution &c, const Backward &norm, const float *x, const float *gate, const float *weight,
               float *dx, float *dgate, float *dw) {
  const Blocks blocks(c);
  const Panels panels(c.in);
  const float *b = dx ? packed(panels, weight, c.out, c.in, 1) : nullptr;
  const int64_t chunks = chunk_count(c, blocks), weights = static_cast<int64_t>(c.out) * c.row;
  float *sums = scratch(PARTS, static_cast<size_t>(chunks) * weights);
  float *gate_sums = gate ? scratch(SUMS, static_cast<size_t>(c.images * blocks.per_image) * c.in) : nullptr;
  parallel(chunks, [&](int64_t chunk) {
    float *dw_sum = sums + chunk * weights;
    std::fill(dw_sum, dw_sum + weights, 0.f);
    for (int64_t i = blocks.count() * chunk / chunks; i < blocks.count() * (chunk + 1) / chunks; i++) {
      const int64_t first = blocks.first(i), rows = blocks.size(i);
      float *dz = scratch(BLOCK_BACK, static_cast<size_t>(blocks.most()) * c.out);
      by_image(blocks, first, rows,
               [&](int64_t, int64_t r, int64_t size) { norm.block(first + r, size, 0, c.out, dz + r * c.out, c.out); });
      const float *a = patches(c, blocks, x, gate, first, rows);
      outer(dz, c.out, c.out, a, c.row, c.row, static_cast<int>(rows), dw_sum, c.row);
      if (!b) continue;
      float *to = dx + first * c.in;
      matmul(dz, c.out, static_cast<int>(rows), c.out, panels, b, to, c.in);
      if (!gate) continue;
      by_image(blocks, first, rows, [&](int64_t n, int64_t r, int64_t size) {
        float *sum = zeros(c.in);
        for (int64_t row = r; row < r + size; row++)
          columns(0, c.in, [&](auto v, int j) {
            using V = decltype(v);
            const V da = load<V>(to + row * c.in + j);
            store(sum + j, V(load<V>(sum + j) + da * load<V>(x + (first + row) * c.in + j)));
            store(to + row * c.in + j, V(da * load<V>(gate + n * c.in + j)));
          });
        std::copy(sum, sum + c.in, gate_sums + (blocks.per_image > 1 ? i : n) * c.in);
      });
    }
  });
  const int taps = c.kernel * c.kernel;
  parallel(c.out, [&](int64_t o) {
    float *sum = sums + o * c.row;
    for (int64_t chunk = 1; chunk < chunks; chunk++)
      for (int j = 0; j < c.depth; j++) sum[j] += sum[chunk * weights + j];
    for (int i = 0; i < c.in; i++)
      for (int t = 0; t < taps; t++) dw[o * c.depth + i * taps + t] = sum[t * c.in + i];
  });
  if (gate)
    parallel(c.images, [&](int64_t n) {
      for (int j = 0; j < c.in; j++) {
        float sum = 0;
        for (int64_t p = 0; p < blocks.per_image; p++) sum += gate_sums[(n * blocks.per_image + p) * c.in + j];
        dgate[n * c.in + j] = sum;
      }
    });
}

// The gradient of x if patches overlap; a network's first convolution does not need it.
void overlapping(const Convolution &c, const Backward &norm, const float *weight, float *dx) {
  const Panels panels(c.depth);
  const float *b = packed(panels, patch_order(c, weight), c.out, c.depth, 1);
  const int64_t size = static_cast<int64_t>(c.height) * c.width * c.in;
  parallel(c.images, [&](int64_t n) {
    std::fill(dx + n * size, dx + (n + 1) * size, 0.f);
    for (int64_t r = 0; r < c.pixels; r += c.out_width) {
      float *dz = scratch(BLOCK_BACK, static_cast<size_t>(c.out_width) * c.out);
      float *da = scratch(BLOCK, static_cast<size_t>(c.out_width) * c.depth);
      norm.block(n * c.pixels + r, c.out_width, 0, c.out, dz, c.out);
      matmul(dz, c.out, c.out_width, c.out, panels, b, da, c.depth);
      c.patches(n * c.pixels + r, c.out_width, [&](int64_t i, int at, int count, int64_t to, bool) {
        for (int j = 0; j < count; j++) dx[to + j] += da[i * c.depth + at + j];
      });
    }
  });
}

// inputs: dy, gradient of pooled, x, gate, weight, gamma, beta, z, kept, options
// outputs: dx (a pointwise kernel's), gradient of the gate, of the weight, of gamma and of beta
void backward(const Call &call) {
  const Options options(call.in(9));
  const Convolution c(call.shape(2), call.shape(4), options.stride);
  Backward norm(Stretches(c.images, c.pixels), c.out, options, call.in(0), call.in(1), call.in(7), call.in(5),
                call.in(6), call.in(8));
  norm.sums(call.out(13), call.out(14));
  gradients(c, norm, call.in(2), options.gated ? call.in(3) : nullptr, call.in(4),
            c.pointwise() ? call.out(10) : nullptr, call.out(11), call.out(12));
}

// inputs: dy, gradient of pooled, x (its shape), weight, gamma, beta, z, kept, dgamma, dbeta, options; output: dx
void input_gradient(const Call &call) {
  const Options options(call.in(10));
  const Convolution c(call.shape(2), call.shape(3), options.stride);
  const Backward norm(Stretches(c.images, c.pixels), c.out, options, call.in(0), call.in(1), call.in(6), call.in(4),
                      call.in(5), call.in(7));
  norm.from_sums(call.in(8), call.in(9));
  overlapping(c, norm, call.in(3), call.out(11));
}

// inputs: gradient of z, of kept, x, weight, z, kept, options; outputs: dx (a pointwise kernel's), gradient of the
// weight
void defer_norm_backward(const Call &call) {
  const Convolution c(call.shape(2), call.shape(3), Options(call.in(6)).stride);
  const Backward norm(Stretches(c.images, c.pixels), c.out, call.in(0), call.in(1), call.in(4), call.in(5));
  gradients(c, norm, call.in(2), nullptr, call.in(3), c.pointwise() ? call.out(7) : nullptr, nullptr, call.out(8));
}

// inputs: as defer_norm_backward; output: dx
void defer_norm_input_gradient(const Call &call) {
  const Convolution c(call.shape(2), call.shape(3), Options(call.in(6)).stride);
  const Backward norm(Stretches(c.images, c.pixels), c.out, call.in(0), call.in(1), call.in(4), call.in(5));
  overlapping(c, norm, call.in(3), call.out(7));
}

}  // namespace
}  // namespace tinynets

TINYNETS_OPERATOR(convolution_forward, tinynets::forward)
TINYNETS_OPERATOR(convolution_inference, tinynets::inference)
TINYNETS_OPERATOR(convolution_backward, tinynets::backward)
TINYNETS_OPERATOR(convolution_input_gradient, tinynets::input_gradient)
TINYNETS_OPERATOR(convolution_defer_norm_forward, tinynets::defer_norm_forward)
TINYNETS_OPERATOR(convolution_defer_norm_backward, tinynets::defer_norm_backward)
TINYNETS_OPERATOR(convolution_defer_norm_input_gradient, tinynets::defer_norm_input_gradient)
