#include "preprocess.h"

#include <algorithm>
#include <cmath>

#include "orientation.h"
#include "resize.h"

namespace tinynets {
namespace {

// Half of n, with halves rounded to the even number like Python's round().
int64_t HalfToEven(int64_t n) { return n / 2 + (n % 2 != 0 && (n / 2) % 2 != 0 ? 1 : 0); }

// Luminance in all three bytes of a pixel, as Pillow's convert('L') rounds it.
void MakeGrey(Image *image) {
  uint8_t *const end = image->rgb.get() + size_t{3} * image->width * image->height;
  for (uint8_t *p = image->rgb.get(); p < end; p += 3) {
    p[0] = p[1] = p[2] = static_cast<uint8_t>((p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 0x8000) >> 16);
  }
}

}  // namespace

Preprocess::Preprocess(const Manifest &manifest)
    : channels_(manifest.channels),
      resolution_(manifest.resolution),
      short_side_(static_cast<int>(std::floor(manifest.resolution / manifest.crop_ratio))) {
  for (int c = 0; c < channels_; c++) {
    const float scale = 1.0f / (255.0f * manifest.deviation[c]);
    const float shift = manifest.mean[c] / manifest.deviation[c];
    for (int byte = 0; byte < 256; byte++) {
      const float scaled = static_cast<float>(byte) * scale;  // rounded before the shift, as NumPy does
      value_[c][byte] = scaled - shift;
    }
  }
}

void Preprocess::operator()(Image &&image, float *tensor) const {
  if (channels_ == 1) MakeGrey(&image);
  const View view = Upright(image);
  const int64_t side = short_side_;
  const int64_t shorter = std::min(view.width, view.height);
  const int64_t width = std::max(side, side * view.width / shorter);
  const int64_t height = std::max(side, side * view.height / shorter);
  const auto square =
      ResizeAndCut(view, width, height, HalfToEven(width - resolution_), HalfToEven(height - resolution_), resolution_);
  const size_t plane = size() / channels_;
  for (int y = 0; y < resolution_; y++) {
    for (int c = 0; c < channels_; c++) {
      const uint8_t *bytes = &square.rgb[square.stride * y + c];
      float *values = tensor + plane * c + static_cast<size_t>(resolution_) * y;
      for (int x = 0; x < resolution_; x++) values[x] = value_[c][bytes[3 * x]];
    }
  }
}

}  // namespace tinynets
