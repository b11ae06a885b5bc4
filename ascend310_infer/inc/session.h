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
  // Throws UserError where the model does not load, is not the manifest's, or the device is not there. `other`, of the
  // same model, shares its weights where it can; or null.
  Session(const Arguments &arguments, const Manifest &manifest, const Session *other = nullptr);
  ~Session();

  // Where the next call's images go: (batch, 3, resolution, resolution); to fill before Run.
  float *Input();

  // The logits (batch, classes) of the images at Input(), until the next call. Throws UserError where the device fails.
  const float *Run();

  // How many operators of the network run on our kernels: all or none.
  size_t own_kernels() const { return network_ == nullptr ? 0 : network_->operators(); }

  // The instruction set of our kernels, or "library".
  const std::string &kernels() const { return kernels_; }

 private:
  void Build(const Arguments &arguments, const Manifest &manifest, const std::string &provider);
  bool Agrees(const Network &network);
  void Resize(const Arguments &arguments, const Manifest &manifest);
  float *Memory();
  const float *Predict();

  std::unique_ptr<mindspore::Model> model_;  // the library's network, or
  std::shared_ptr<const Network> network_;   // the same on our kernels
  std::string kernels_ = "library";
  std::vector<Network::Memory> memories_;  // of those that run a part of a batch each
  std::unique_ptr<Team> team_;
  std::vector<mindspore::MSTensor> in_, out_;
  const size_t batch_;
  size_t built_ = 1;                    // images that the library takes
  size_t inputs_ = 0, outputs_ = 0;     // floats of an image
  std::vector<float> images_, logits_;  // of the batch on our kernels
};

}  // namespace tinynets
