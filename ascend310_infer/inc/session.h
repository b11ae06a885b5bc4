#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "arguments.h"
#include "include/api/model.h"
#include "manifest.h"
#include "network.h"
#include "reader.h"

namespace tinynets {

// One network on one device, for one thread at a time.
class Session {
 public:
  // Throws UserError if the model does not load, is not the manifest's, or the device is missing. `other`, a session of
  // the same model or null, shares its weights if possible.
  Session(const Arguments &arguments, const Manifest &manifest, const Session *other = nullptr);
  ~Session();

  // The memory for the next call's images, (batch, 3, resolution, resolution), to be filled before Run.
  float *Input();

  // The logits (batch, classes) of the images at Input(), valid until the next call. Throws UserError if the device
  // fails.
  const float *Run();

  // The number of operators of the network that run on the program's kernels: all or none.
  size_t own_kernels() const { return network_ == nullptr ? 0 : network_->operators(); }

  // The instruction set of the program's kernels, or "library".
  const std::string &kernels() const { return kernels_; }

 private:
  void Build(const Arguments &arguments, const Manifest &manifest, const std::string &provider);
  bool Agrees(const Network &network);
  void Resize(const Arguments &arguments, const Manifest &manifest);
  float *Memory();
  const float *Predict();

  std::unique_ptr<mindspore::Model> model_;  // the library's network, or
  std::shared_ptr<const Network> network_;   // the same on the program's kernels
  std::string kernels_ = "library";
  std::vector<Network::Memory> memories_;  // one per thread that runs a part of a batch
  std::unique_ptr<Team> team_;
  std::vector<mindspore::MSTensor> in_, out_;
  const size_t batch_;
  size_t built_ = 1;                    // images per call of the library
  size_t inputs_ = 0, outputs_ = 0;     // floats per image
  std::vector<float> images_, logits_;  // of the batch on the program's kernels
};

}  // namespace tinynets
