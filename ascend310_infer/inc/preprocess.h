#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "image.h"
#include "manifest.h"

namespace tinynets {

// Image -> input tensor, equal to the last bit to that of EvalTransform in src/tinynets/data/transforms.py.
class Preprocess {
 public:
  explicit Preprocess(const Manifest &manifest);

  // Floats of one tensor: (channels, resolution, resolution).
  size_t size() const { return static_cast<size_t>(channels_) * resolution_ * resolution_; }

  // Writes the tensor of an image, which is changed: for a network of grey images it becomes grey in place.
  void operator()(Image &&image, float *tensor) const;

 private:
  int channels_;
  int resolution_;
  int short_side_;
  float value_[3][256];  // channel, byte -> normalised
};

}  // namespace tinynets
