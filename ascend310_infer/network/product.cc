// Outputs are made in tiles of rows by panels of a few 16 output channels, whose sums stay in registers for all inputs:
// a step loads a panel's weights of one input once, and the rows' values of it one by one.
#include "product.h"

#include <algorithm>
#include <utility>

#include "avx512.h"
#include "sigmoid.h"

#ifdef AVX512

namespace tinynets {
namespace {

constexpr size_t LANES = 16, WIDEST = 3;             // channels of a vector, vectors of a panel
constexpr size_t MOST[WIDEST + 1] = {0, 16, 14, 9};  // rows of a tile, as many as registers hold, by vectors

struct Tile {
  const float *x;
  float *y;
  const float *panel;
  ptrdiff_t row, run;
  size_t runs, length;
  Layout layout;
  __mmask16 last;         // channels of the panel's last vector
  const float *ahead;     // to be fetched into the cache, a line for every input
  bool silu;              // of the sums
  const float *residual;  // added to them, or null
};

// From the sums of a tile, `vectors` to a row, to the outputs.
AVX512 void Write(const Tile &tile, const float *sums, int rows, int vectors) {
  for (int r = 0; r < rows; r++) {
    for (int v = 0; v < vectors; v++, sums += LANES) {
      const __mmask16 lanes = v + 1 < vectors ? 0xFFFF : tile.last;
      const ptrdiff_t at = r * tile.layout.pixel + v * tile.layout.block;
      __m512 sum = _mm512_load_ps(sums);
      if (tile.silu) sum = _mm512_mul_ps(sum, SigmoidOf(sum));
      if (tile.residual != nullptr) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(lanes, tile.residual + at));
      _mm512_mask_storeu_ps(tile.y + at, lanes, sum);
    }
  }
}

template <int VECTORS, int ROWS>
AVX512 void Make(const Tile &tile) {
  __m512 sum[ROWS][VECTORS];  // stays in registers where all its loops are unrolled
#pragma GCC unroll 16
  for (int r = 0; r < ROWS; r++) {
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++) sum[r][v] = _mm512_loadu_ps(tile.panel + v * LANES);
  }
  constexpr int STEP = VECTORS * LANES, TRIPLES = (ROWS + 2) / 3;
  const ptrdiff_t row = tile.row;
  const float *ahead = tile.ahead, *w = tile.panel + STEP;
  for (size_t i = 0; i < tile.runs; i++) {
    const float *rows[TRIPLES];  // every third row; an address reaches two more by multiples of one register
#pragma GCC unroll 8
    for (int t = 0; t < TRIPLES; t++) rows[t] = tile.x + static_cast<ptrdiff_t>(i) * tile.run + 3 * t * row;
    for (const float *const end = w + tile.length * STEP; w < end; w += STEP, ahead += LANES) {
      _mm_prefetch(reinterpret_cast<const char *>(ahead), _MM_HINT_T1);
      __m512 weights[VECTORS];
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; v++) weights[v] = _mm512_loadu_ps(w + v * LANES);
#pragma GCC unroll 16
      for (int r = 0; r < ROWS; r++) {
        const __m512 value = _mm512_set1_ps(rows[r / 3][r % 3 * row]);
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) sum[r][v] = _mm512_fmadd_ps(value, weights[v], sum[r][v]);
      }
#pragma GCC unroll 8
      for (int t = 0; t < TRIPLES; t++) {
        rows[t]++;
        asm("" : "+r"(rows[t]));  // or the compiler keeps a pointer for every row, more than there are registers
      }
    }
  }
  alignas(64) float sums[ROWS * STEP];
#pragma GCC unroll 16
  for (int r = 0; r < ROWS; r++) {
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++) _mm512_store_ps(sums + r * STEP + v * LANES, sum[r][v]);
  }
  Write(tile, sums, ROWS, VECTORS);
}

using Function = void (*)(const Tile &);

template <int VECTORS, int... BEFORE>
Function MakeOf(size_t rows, std::integer_sequence<int, BEFORE...>) {
  static constexpr Function functions[] = {Make<VECTORS, BEFORE + 1>...};
  return functions[rows - 1];
}

Function MakeOf(size_t vectors, size_t rows) {
  switch (vectors) {
    case 1:
      return MakeOf<1>(rows, std::make_integer_sequence<int, MOST[1]>());
    case 2:
      return MakeOf<2>(rows, std::make_integer_sequence<int, MOST[2]>());
    default:
      return MakeOf<3>(rows, std::make_integer_sequence<int, MOST[3]>());
  }
}

// Of `left` vectors of outputs how many the next panel takes: two, but rather three than one at the end.
size_t Vectors(size_t left) { return left == 1 || left == 3 ? left : 2; }

size_t Parts(size_t whole, size_t most) { return (whole + most - 1) / most; }

}  // namespace

Product::Product(size_t inputs, size_t outputs, const float *weights, const float *bias)
    : inputs_(inputs), outputs_(outputs) {
  const size_t vectors = Parts(outputs, LANES);
  packed_ = Floats((1 + inputs) * vectors * LANES);
  float *to = packed_.data();
  for (size_t v = 0, width; v < vectors; v += width) {
    width = Vectors(vectors - v);
    const size_t from = v * LANES, there = std::min(outputs - from, width * LANES);
    for (size_t c = 0; c < there; c++) {
      to[c] = bias == nullptr ? 0.f : bias[from + c];
      for (size_t i = 0; i < inputs; i++) to[(1 + i) * width * LANES + c] = weights[(from + c) * inputs + i];
    }
    to += (1 + inputs) * width * LANES;
  }
}

void Product::operator()(const Rows &rows, float *y, const Layout &layout, const Finish &finish,
                         const Share &share) const {
  const size_t vectors = Parts(outputs_, LANES);
  const float *panel = packed_.data();
  const bool whole = layout.block != static_cast<ptrdiff_t>(LANES);
  const size_t begin = share.Begin(vectors), end = share.End(vectors);
  for (size_t v = 0, width; v < end; v += width) {
    width = Vectors(vectors - v);
    if (v < begin) {  // the panel is another's, to whom it begins
      panel += (1 + inputs_) * width * LANES;
      continue;
    }
    const size_t count = Parts(rows.count, Parts(rows.count, MOST[width])), from = v * LANES;
    const size_t last = whole ? LANES : std::min(LANES, outputs_ - from - (width - 1) * LANES);
    const Function make = MakeOf(width, count);
    const float *const next = panel + (1 + inputs_) * width * LANES, *ahead = next;
    for (size_t line = 0; line < rows.lines; line++) {
      for (size_t r = 0; r < rows.count; r += count) {
        const auto first = static_cast<ptrdiff_t>(std::min(r, rows.count - count));  // the last may make some again
        const ptrdiff_t pixel = static_cast<ptrdiff_t>(line * rows.count) + first;
        const ptrdiff_t at = pixel * layout.pixel + static_cast<ptrdiff_t>(v) * layout.block;
        make({rows.x + static_cast<ptrdiff_t>(line) * rows.line + first * rows.row, y + at, panel, rows.row, rows.run,
              rows.runs, rows.length, layout, static_cast<__mmask16>((1u << last) - 1), ahead, finish.silu,
              finish.residual == nullptr ? nullptr : finish.residual + at});
        ahead += inputs_ * LANES;
      }
    }
    panel = next;
  }
}

}  // namespace tinynets

#else

namespace tinynets {

Product::Product(size_t inputs, size_t outputs, const float *, const float *) : inputs_(inputs), outputs_(outputs) {}
void Product::operator()(const Rows &, float *, const Layout &, const Finish &, const Share &) const {}

}  // namespace tinynets

#endif
