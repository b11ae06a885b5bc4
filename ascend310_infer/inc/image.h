#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tinynets {

// Rows of RGB bytes, without padding between them.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgb;
};

// The image of a JPEG or PNG file, upright, by its content whatever its name is: the pixels of src/data/images.py.
// Throws ImageError with the reason.
Image Decode(const std::string &path);

// For Decode: one format each. They set `orientation` to EXIF's, 1 where there is none.
Image DecodeJpeg(const std::vector<uint8_t> &file, int *orientation);
Image DecodePng(const std::vector<uint8_t> &file, int *orientation);

// Throws ImageError where an image of this size is refused, as Pillow refuses it.
void CheckSize(uint64_t width, uint64_t height);

}  // namespace tinynets
