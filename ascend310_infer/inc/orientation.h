#pragma once

#include <optional>
#include <string>

#include "image.h"

namespace tinynets {

// The metadata of a file that may have an orientation.
struct Metadata {
  std::optional<std::string> exif;     // a TIFF structure, after "Exif\0\0" or without
  std::optional<std::string> profile;  // ImageMagick's text of the same
  std::string xmp;                     // XMP's packet
};

// EXIF's orientation as Pillow finds it: in EXIF data, else in ImageMagick's text, else in XMP. 1 if there is none or
// the first of them is damaged.
int FindOrientation(const Metadata &metadata);

// The image turned by its orientation.
View Upright(const Image &image);

}  // namespace tinynets
