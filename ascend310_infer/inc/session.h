#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "arguments.h"
#include "manifest.h"

namespace tinynets {

// One network on one device, for one thread at a time.
class Session {
 public:
  virtual ~Session() = default;

  // The memory for the next call's images, (batch, channels, resolution, resolution), to be filled before Run.
  virtual float *Input() = 0;

  // The logits (batch, classes) of the images at Input(), valid until the next call. Throws UserError if the device
  // fails.
  virtual const float *Run() = 0;

  // The number of operators of the network that run on the program's kernels: all or none.
  virtual size_t own_kernels() const = 0;

  // The instruction set of the program's kernels, or "library".
  virtual std::string kernels() const = 0;
};

// A network on the program's kernels, or for an Ascend on MindSpore Lite, if the program was built with it. `other`, a
// session of the same model or null, shares its weights if possible. Throws UserError if the model does not load, is
// not the manifest's, or the device is missing.
std::unique_ptr<Session> MakeSession(const Arguments &arguments, const Manifest &manifest,
                                     const Session *other = nullptr);

}  // namespace tinynets
