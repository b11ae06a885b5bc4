// Pillow's antialiased bicubic to the last bit, of a part of an image, and straight into a network's tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace tinynets {

constexpr int FOUR = 4;  // rows and pixels that are processed at once

// An image whose rows come one after the other: pixels of four bytes, red, green, blue and one of no meaning.
struct Source {
  int width, height;
  size_t stride;  // bytes from row to row
  // Four rows from row y on, y a multiple of four, with 16 readable bytes after the last row; null if they cannot be
  // decoded. Rows past the end of the image may hold anything.
  std::function<const uint8_t *(int y)> rows;
};

// Writes (3, side, side) float32: the box (left, top, right, bottom; in pixels of the source, fractions allowed) at
// side x side, mirrored or not, each value v of channel c as v * factors[c] - factors[3 + c], every operation rounded.
// False if the source fails.
bool ResizeToTensor(const Source &source, const float *box, int side, bool mirrored, const float *factors, float *out);

}  // namespace tinynets
