#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tinynets {

// The number of bytes past the end of a row of pixels that may be read, without effect.
constexpr size_t SPARE = 32;

// Rows of RGB bytes without padding between them, in the file's orientation.
struct Image {
  Image(size_t wide, size_t high)
      : width(static_cast<int>(wide)), height(static_cast<int>(high)), rgb(new uint8_t[3 * wide * high + SPARE]) {}

  int width;
  int height;
  std::unique_ptr<uint8_t[]> rgb;  // not initialised
  int orientation = 1;             // EXIF's
  int highest = -1;                // of 16-bit samples: the highest value left in eight bits
};

// An upright rectangle of RGB pixels in any order in memory: `right` and `down` are the bytes from one to the next.
struct View {
  const uint8_t *rgb;  // the first pixel
  ptrdiff_t right, down;
  int width, height;

  View Cut(int left, int top, int cut_width, int cut_height) const {
    return {rgb + right * left + down * top, right, down, cut_width, cut_height};
  }
};

// The image of a JPEG or PNG file, recognised by its content. Turned upright, its pixels equal those of
// src/tinynets/data/images.py. Throws ImageError with the reason.
Image Decode(const std::string &path);

// For Decode: one format each.
Image DecodeJpeg(const std::vector<uint8_t> &file);
Image DecodePng(const std::vector<uint8_t> &file);

// Throws ImageError if Pillow refuses an image of this size.
void CheckSize(uint64_t width, uint64_t height);

}  // namespace tinynets
