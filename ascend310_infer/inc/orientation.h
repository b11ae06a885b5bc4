#pragma once

#include <optional>
#include <string>

#include "image.h"

namespace tinynets {

// What a file holds beside its pixels in which an orientation may be.
struct Metadata {
  std::optional<std::string> exif;     // a TIFF structure, after "Exif\0\0" or without
  std::optional<std::string> profile;  // ImageMagick's text of the same
  std::string xmp;                     // XMP's packet
};

// EXIF's orientation as Pillow finds it: in EXIF data, else in ImageMagick's text, else in XMP. 1 where there is none
// or the first of them is damaged.
int FindOrientation(const Metadata &metadata);

// The image as its orientation wants it seen.
View Upright(const Image &image);

}  // namespace tinynets
