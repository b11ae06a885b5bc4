// Pillow's antialiased bicubic to the last bit, of a part of an image, and straight into a network's tensor.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tinynets {

// Rows of pixels of four bytes, red, green, blue and one of no meaning; `stride` is bytes from row to row.
struct View {
  const uint8_t *pixels;
  size_t stride;
  int width, height;
};

// Writes (3, side, side) float32: the box (left, top, right, bottom; in pixels of the view, fractions allowed) at side x
// side, mirrored or not, each value v of channel c as table[256 * c + v].
void ResizeToTensor(const View &view, const float *box, int side, bool mirrored, const float *table, float *out);

}  // namespace tinynets
