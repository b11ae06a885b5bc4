#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "arguments.h"
#include "manifest.h"

namespace mindspore {
class Model;
}

namespace tinynets {

// One network on one device, for one thread at a time.
class Session {
 public:
  // Throws UserError where the model does not load, is not the manifest's, or the device is not there.
  Session(const Arguments &arguments, const Manifest &manifest);
  ~Session();

  // (batch, 3, resolution, resolution) -> (batch, classes). Throws UserError where the device fails.
  void Run(const float *images, float *logits);

 private:
  std::unique_ptr<mindspore::Model> model_;
  size_t inputs_;
  size_t outputs_;
};

}  // namespace tinynets
