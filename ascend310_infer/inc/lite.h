#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "include/api/model.h"
#include "session.h"

namespace tinynets {

// A network on an Ascend, by MindSpore Lite.
class LiteSession : public Session {
 public:
  LiteSession(const Arguments &arguments, const Manifest &manifest);

  float *Input() override { return Memory(); }
  const float *Run() override { return Predict(); }
  size_t own_kernels() const override { return 0; }
  std::string kernels() const override { return "library"; }

 private:
  void Build(const Arguments &arguments, const Manifest &manifest);
  void Resize(const Arguments &arguments, const Manifest &manifest);
  float *Memory();
  const float *Predict();

  std::unique_ptr<mindspore::Model> model_;
  std::vector<mindspore::MSTensor> in_, out_;
  const size_t batch_;
  size_t built_ = 1;                 // images per call
  size_t inputs_ = 0, outputs_ = 0;  // floats per image
};

}  // namespace tinynets
