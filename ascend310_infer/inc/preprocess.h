#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "image.h"
#include "manifest.h"

namespace tinynets {

// Image -> input tensor as src/data/transforms.py's EvalTransform makes it, to the last bit.
class Preprocess {
 public:
  explicit Preprocess(const Manifest &manifest);

  // Floats of one tensor: (3, resolution, resolution).
  size_t size() const { return size_t{3} * resolution_ * resolution_; }

  // Writes one tensor.
  void operator()(const Image &image, float *tensor) const;

 private:
  int resolution_;
  int short_side_;
  float value_[3][256];  // channel, byte -> normalised
};

}  // namespace tinynets
