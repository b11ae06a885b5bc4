#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "convolution.h"
#include "depthwise.h"

namespace tinynets {

using Shape = std::vector<int64_t>;

// The computation of an operator on channels-last maps; convolutions with their weights.
struct Operation {
  enum Kind {
    NONE,    // any other
    AFFINE,  // scale x + shift
    ADD,
    MULTIPLY,     // of maps of one shape
    GATE,         // the product of a map and one value per channel
    MEAN,         // of all pixels
    PAD,          // with zeros, by the same number of rows and columns on every side
    LARGEST,      // the maximum of the pixels in a window
    CONCATENATE,  // the channels of two maps
    COPY,         // the same values in another shape
    TO_CHANNELS_LAST,
    CONVOLUTION,  // or a product by a matrix
    DEPTHWISE
  };

  Kind kind = NONE;
  Activation activation = Activation::NONE;  // of the result of an affine one, a sum or a convolution
  std::shared_ptr<const Convolution> convolution = nullptr;
  std::shared_ptr<const Depthwise> depthwise = nullptr;
  float scale = 1, shift = 0;
  size_t kernel = 0, stride = 0;  // of a window

  // The number of inputs that the network computes; constants come after them.
  size_t computed() const { return kind == ADD || kind == MULTIPLY || kind == GATE || kind == CONCATENATE ? 2 : 1; }

  // Whether it is an activation and nothing else.
  bool IsActivation() const { return kind == AFFINE && scale == 1 && shift == 0; }
};

// An operator of a network, whose tensors have names.
struct Node {
  Operation operation;
  std::vector<std::string> inputs;  // that the network computes
  std::string output;
  Shape from, to;  // of the first input and of the output, for a batch of one
};

}  // namespace tinynets
