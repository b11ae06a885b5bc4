#pragma once

#include <cstddef>
#include <cstdint>

#include "image.h"

namespace tinynets {

// EXIF's orientation, 1 to 8, from a TIFF structure (with or without "Exif\0\0" before it); 0 where it says none.
int ExifOrientation(const uint8_t *data, size_t size);

// The same from an XMP packet.
int XmpOrientation(const char *data, size_t size);

// The same from a PNG file, as Pillow finds it: in its eXIf chunk, else in ImageMagick's text of it, else in XMP.
int PngOrientation(const uint8_t *file, size_t size);

// The image as its orientation wants it seen.
View Upright(const Image &image);

}  // namespace tinynets
