#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tinynets {

// Pillow's fixed point: 32 bits, of which 8 for the pixel and 2 to spare.
constexpr int PRECISION = 32 - 8 - 2;

constexpr int FOUR = 4;  // rows, or taps of one row, filtered at once

// For each output pixel the input pixels it is made of, and their weights.
struct Taps {
  struct Span {
    int first, count;
  };
  std::vector<Span> spans;
  std::vector<int32_t> weights;  // `stride` for each output pixel, 0 past its count
  size_t stride;                 // a multiple of FOUR
};

// Both filters take the steps of the machine's vector instructions, and so may read up to SPARE bytes past a row,
// whatever they hold, and write up to SPARE bytes past one.

// Horizontally: four rows of RGB from the first span's first pixel on, to rows `stride` bytes apart.
void FilterRows(const uint8_t *const rows[FOUR], const Taps &taps, uint8_t *out, size_t stride);

// Vertically: `size` bytes of a row, each the weighted sum of `count` bytes `stride` apart, or one more of no weight.
void FilterColumns(const uint8_t *in, size_t stride, const int32_t *weights, int count, uint8_t *out, size_t size);

}  // namespace tinynets
