#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "floats.h"
#include "step.h"
#include "team.h"

namespace tinynets {

// A network that runs on these kernels only. Any number of threads can use it, each with its own Memory.
class Network {
 public:
  // Makes a network of operators in the order in which they run. Null if one is not supported or reads what a later one
  // makes, or if the network does not have one input and one output.
  static std::shared_ptr<const Network> Make(const Kernels &kernels, const std::vector<Node> &nodes);

  // The memory of one run of the network.
  struct Memory {
    std::vector<Floats> buffers;
    std::vector<float *> tensors;
    std::vector<Scratch> scratch;  // of each thread
  };

  // x (batch, channels, height, width) to logits (batch, classes).
  void Run(const float *x, size_t batch, float *logits, Memory *memory) const;

  // The same with the threads of a team, which divide every step.
  void Run(const float *x, size_t batch, float *logits, Memory *memory, Team *team) const;

  // Numbers of input and output values per image.
  size_t inputs() const { return tensors_[0].size; }
  size_t outputs() const { return tensors_[1].size; }

  // The share of its multiplications in convolutions that sum over both channels and pixels.
  double spatial() const { return spatial_; }

  // The number of its operators.
  size_t operators() const { return operators_; }

 private:
  struct Tensor {
    size_t size = 0;     // values per image
    size_t buffer = 0;   // the buffer that holds it
    bool whole = false;  // for all images of a batch, or for one at a time
    size_t last = 0;     // the last step that reads it
  };
  struct Buffer {
    size_t size = 0;
    bool whole = false, free = false;
  };
  struct Places {  // of a step's tensors
    std::vector<size_t> reads;
    size_t output, mean;
  };

  Network() = default;
  void Count(const std::vector<Node> &nodes);
  void Fuse(const Kernels &kernels, const std::vector<Node> &nodes);
  void Plan(const std::string &input, const std::string &output);
  void Hold(size_t tensor);
  void Prepare(const float *x, size_t batch, float *logits, size_t threads, Memory *memory) const;
  Step::Memory Tensors(const Memory &memory, size_t step, size_t image) const;

  std::vector<Step> steps_;
  std::vector<Places> places_;
  size_t split_ = 0;             // steps before it run image by image
  std::vector<Tensor> tensors_;  // the network's input and output first
  std::vector<Buffer> buffers_;
  size_t operators_ = 0;
  double spatial_ = 0;
};

}  // namespace tinynets
