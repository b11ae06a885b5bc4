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

// What an operator computes of channels-last maps; convolutions with their weights.
struct Operation {
  enum Kind {
    NONE,  // something else
    SILU,
    SIGMOID,
    ADD,
    GATE,         // the product of a map with a value for every channel
    MEAN,         // of all pixels
    COPY,         // the same values in another shape
    TO_CHANNELS_LAST,
    CONVOLUTION,  // or a product by a matrix
    DEPTHWISE
  };

  Kind kind = NONE;
  std::shared_ptr<const Convolution> convolution = nullptr;
  std::shared_ptr<const Depthwise> depthwise = nullptr;

  // How many inputs the network computes; constants come after them.
  size_t computed() const { return kind == GATE || kind == ADD ? 2 : 1; }
};

// An operator of a network, whose tensors have names.
struct Node {
  Operation operation;
  std::vector<std::string> inputs;  // that the network computes
  std::string output;
  Shape from, to;  // of the first input and of the output, for a batch of one
};

}  // namespace tinynets
