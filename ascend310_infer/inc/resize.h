#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tinynets {

// A rectangle of an RGB image.
struct View {
  const uint8_t *rgb;
  size_t stride;  // bytes from row to row
  int width;
  int height;
};

// Of `view` resized to width x height by Pillow's antialiased bicubic, the square of `side` pixels at (left, top).
// Only what the square needs is computed.
std::vector<uint8_t> ResizeAndCut(const View &view, int width, int height, int left, int top, int side);

}  // namespace tinynets
