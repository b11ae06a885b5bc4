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

  // Where the next call's images go: (batch, 3, resolution, resolution), the library's own memory, to fill before Run.
  float *Input();

  // The logits (batch, classes) of the images at Input(), until the next call. Throws UserError where the device fails.
  const float *Run();

 private:
  std::unique_ptr<mindspore::Model> model_;
  std::vector<mindspore::MSTensor> in_, out_;
  size_t inputs_;
  size_t outputs_;
};

}  // namespace tinynets
