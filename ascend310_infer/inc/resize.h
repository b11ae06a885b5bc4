#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "image.h"

namespace tinynets {

// Rows of RGB, `stride` bytes apart.
struct Rows {
  size_t stride;
  std::vector<uint8_t> rgb;
};

// The square of `side` pixels at (left, top) of `view` resized to width x height by Pillow's antialiased bicubic. Only
// the square is computed.
Rows ResizeAndCut(const View &view, int64_t width, int64_t height, int64_t left, int64_t top, int side);

}  // namespace tinynets
