#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tinynets {

// So many bytes past the end of a row of pixels can be read, and perhaps are, for nothing.
constexpr size_t SPARE = 32;

// Rows of RGB bytes, without padding between them, as the file has them.
struct Image {
  Image(size_t wide, size_t high)
      : width(static_cast<int>(wide)), height(static_cast<int>(high)), rgb(new uint8_t[3 * wide * high + SPARE]) {}

  int width;
  int height;
  std::unique_ptr<uint8_t[]> rgb;  // not cleared first
  int orientation = 1;             // EXIF's
  int highest = -1;                // of 16-bit samples: the highest value left of them in eight bits
};

// A rectangle of RGB pixels, upright whatever way they lie in memory: `right` and `down` bytes from one to the next.
struct View {
  const uint8_t *rgb;  // the first pixel
  ptrdiff_t right, down;
  int width, height;

  View Cut(int left, int top, int cut_width, int cut_height) const {
    return {rgb + right * left + down * top, right, down, cut_width, cut_height};
  }
};

// The image of a JPEG or PNG file, by its content whatever its name is: turned upright the pixels of
// src/data/images.py. Throws ImageError with the reason.
Image Decode(const std::string &path);

// For Decode: one format each.
Image DecodeJpeg(const std::vector<uint8_t> &file);
Image DecodePng(const std::vector<uint8_t> &file);

// Throws ImageError where an image of this size is refused, as Pillow refuses it.
void CheckSize(uint64_t width, uint64_t height);

}  // namespace tinynets
