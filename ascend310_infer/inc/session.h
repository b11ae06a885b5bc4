#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "arguments.h"
#include "include/api/model.h"
#include "manifest.h"

namespace tinynets {

// One network on one device, for one thread at a time.
class Session {
 public:
  // Throws UserError where the model does not load, is not the manifest's, or the device is not there.
  Session(const Arguments &arguments, const Manifest &manifest);
  ~Session();

  // Where the next call's images go: (batch, 3, resolution, resolution), the library's own memory for a batch of one
  // call; to fill before Run.
  float *Input();

  // The logits (batch, classes) of the images at Input(), until the next call. Throws UserError where the device fails.
  const float *Run();

  // How many of the network's operators run on our kernels.
  int own_kernels() const { return own_kernels_; }

 private:
  void Load(const Arguments &arguments, const Manifest &manifest, int images, const std::string &provider);
  float *Memory();
  const float *Predict();

  std::unique_ptr<mindspore::Model> model_;
  std::vector<mindspore::MSTensor> in_, out_;
  size_t calls_ = 1;   // of the library for one batch
  size_t inputs_ = 0;  // floats of one of them
  size_t outputs_ = 0;
  std::vector<float> images_, logits_;  // of the batch, where it takes several calls
  int own_kernels_ = 0;
};

}  // namespace tinynets
