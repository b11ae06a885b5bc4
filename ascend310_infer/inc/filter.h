#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tinynets {

// Pillow's fixed point: 32 bits, of which 8 for the pixel and 2 spare ones.
constexpr int PRECISION = 32 - 8 - 2;

constexpr int FOUR = 4;  // rows, or taps of one row, filtered at once

// For each output pixel its input pixels and their weights.
struct Taps {
  struct Span {
    int first, count;
  };
  std::vector<Span> spans;
  std::vector<int32_t> weights;  // `stride` for each output pixel, 0 past its count
  size_t stride;                 // a multiple of FOUR
};

// Both filters work in steps of the machine's vectors, and so may read up to SPARE bytes past a row, whose values do
// not matter, and write up to SPARE bytes past one.

// Horizontal: four rows of RGB, from the first span's first pixel, to rows `stride` bytes apart.
void FilterRows(const uint8_t *const rows[FOUR], const Taps &taps, uint8_t *out, size_t stride);

// Vertical: `size` bytes of a row, each the weighted sum of `count` bytes `stride` apart, or one more with weight 0.
void FilterColumns(const uint8_t *in, size_t stride, const int32_t *weights, int count, uint8_t *out, size_t size);

}  // namespace tinynets
