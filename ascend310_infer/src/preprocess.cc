#include "preprocess.h"

#include <algorithm>
#include <cmath>

#include "orientation.h"
#include "resize.h"

namespace tinynets {
namespace {

// Half of n, halves to the even number as Python's round().
int64_t HalfToEven(int64_t n) { return n / 2 + (n % 2 != 0 && (n / 2) % 2 != 0 ? 1 : 0); }

}  // namespace

Preprocess::Preprocess(const Manifest &manifest)
    : resolution_(manifest.resolution),
      short_side_(static_cast<int>(std::floor(manifest.resolution / manifest.crop_ratio))) {
  for (int c = 0; c < 3; c++) {
    const float scale = 1.0f / (255.0f * manifest.deviation[c]);
    const float shift = manifest.mean[c] / manifest.deviation[c];
    for (int byte = 0; byte < 256; byte++) {
      const float scaled = static_cast<float>(byte) * scale;  // rounded before the shift, as NumPy does
      value_[c][byte] = scaled - shift;
    }
  }
}

void Preprocess::operator()(const Image &image, float *tensor) const {
  const View view = Upright(image);
  const int64_t side = short_side_;
  const int64_t shorter = std::min(view.width, view.height);
  const int64_t width = std::max(side, side * view.width / shorter);
  const int64_t height = std::max(side, side * view.height / shorter);
  const auto square =
      ResizeAndCut(view, width, height, HalfToEven(width - resolution_), HalfToEven(height - resolution_), resolution_);
  const size_t plane = size() / 3;
  for (int y = 0; y < resolution_; y++) {
    for (int c = 0; c < 3; c++) {
      const uint8_t *bytes = &square.rgb[square.stride * y + c];
      float *values = tensor + plane * c + static_cast<size_t>(resolution_) * y;
      for (int x = 0; x < resolution_; x++) values[x] = value_[c][bytes[3 * x]];
    }
  }
}

}  // namespace tinynets
