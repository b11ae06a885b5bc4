#pragma once

#include <string>
#include <vector>

#include "arguments.h"
#include "manifest.h"

namespace tinynets {

// The result of one image: its logits, or the reason why there are none.
struct Result {
  std::vector<float> logits;
  std::string failure;
  int highest = -1;  // the image's, see image.h
};

// Milliseconds of one call of the network and of the work on its images before it.
struct Times {
  double decode = 0;
  double preprocess = 0;
  double inference = 0;
  double total = 0;
};

struct Outcome {
  std::vector<Result> results;  // in the order of the images
  std::vector<Times> calls;
  size_t images = 0;       // classified by all calls, with repetitions
  double seconds = 0;      // wall time from the first call to the end of the last
  std::string kernels;     // the instruction set of the program's kernels, or "library"
  size_t own_kernels = 0;  // operators of a network that run on the program's kernels

  double ImagesPerSecond() const { return static_cast<double>(images) / seconds; }
};

// Classifies the images by `workers` parallel networks. Throws UserError if the model or the device fails.
Outcome Classify(const Arguments &arguments, const Manifest &manifest, const std::vector<std::string> &images);

}  // namespace tinynets
