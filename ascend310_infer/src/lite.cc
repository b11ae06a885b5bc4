#include "lite.h"

#include <algorithm>

#include "error.h"
#include "include/api/context.h"
#include "library.h"

namespace tinynets {
namespace {

void Check(const mindspore::Status &status, const std::string &what) {
  if (status == mindspore::kSuccess) return;
  std::string reason = status.ToString();
  for (char &c : reason) c = c == '\n' ? ' ' : c;
  throw UserError(what + " (MindSpore Lite: " + reason + " TINYNETS_DEBUG=1 shows its log)");
}

std::shared_ptr<mindspore::Context> MakeContext(const Arguments &arguments) {
  auto context = std::make_shared<mindspore::Context>();
  context->SetThreadNum(arguments.threads);
  auto ascend = std::make_shared<mindspore::AscendDeviceInfo>();
  ascend->SetDeviceID(static_cast<uint32_t>(arguments.device_id));
  ascend->SetPrecisionMode(arguments.precision);
  context->MutableDeviceInfo().push_back(ascend);
  return context;
}

std::string Text(const std::vector<int64_t> &shape) {
  std::string text;
  for (const int64_t side : shape) text += (text.empty() ? "(" : ", ") + std::to_string(side);
  return text + ")";
}

// Checks the shape without its batch, the tensor's type and the number of tensors.
void Expect(const std::vector<mindspore::MSTensor> &tensors, const std::string &what, std::vector<int64_t> wanted) {
  if (tensors.size() != 1 || tensors[0] == nullptr)
    throw UserError(what + ": the manifest has one, the model another number");
  auto shape = tensors[0].Shape();
  if (!shape.empty()) shape[0] = wanted[0] = -1;
  if (shape != wanted || tensors[0].DataType() != mindspore::DataType::kNumberTypeFloat32) {
    throw UserError(what + ": the manifest says float32 " + Text(wanted) + ", the model " + Text(shape) +
                    "; is it another model's manifest?");
  }
}

}  // namespace

LiteSession::LiteSession(const Arguments &arguments, const Manifest &manifest) : batch_(arguments.batch) {
  const CrashGuard guard;
  Build(arguments, manifest);
  Resize(arguments, manifest);
}

void LiteSession::Build(const Arguments &arguments, const Manifest &manifest) {
  const std::string &path = arguments.model;
  model_ = std::make_unique<mindspore::Model>();
  Check(model_->Build(path, mindspore::kMindIR, MakeContext(arguments)),
        path + ": does not load on ascend " + std::to_string(arguments.device_id));
  const int64_t side = manifest.resolution;
  in_ = model_->GetInputs();
  Expect(in_, path + ": input", {1, manifest.channels, side, side});
  inputs_ = static_cast<size_t>(manifest.channels * side * side);
  outputs_ = manifest.class_names.size();
}

void LiteSession::Resize(const Arguments &arguments, const Manifest &manifest) {
  const auto batch = static_cast<int64_t>(batch_);
  const std::vector<int64_t> shape = {batch, manifest.channels, manifest.resolution, manifest.resolution};
  if (in_[0].Shape() != shape) {
    Check(model_->Resize(in_, {shape}),
          arguments.model + ": cannot take a batch of " + std::to_string(batch_) + ", which it must be converted for");
    in_ = model_->GetInputs();
  }
  built_ = batch_;
  std::fill_n(Memory(), built_ * inputs_, 0.0f);
  Predict();  // the output's shape is known once the network has run
  Expect(model_->GetOutputs(), arguments.model + ": output", {batch, static_cast<int64_t>(outputs_)});
}

float *LiteSession::Memory() {
  const size_t size = built_ * inputs_ * sizeof(float);
  void *to = in_.empty() || in_[0].DataSize() != size ? nullptr : in_[0].MutableData();
  if (to == nullptr) throw UserError("MindSpore Lite gives no input memory");
  return static_cast<float *>(to);
}

const float *LiteSession::Predict() {
  Check(model_->Predict(in_, &out_), "the network does not run");
  const size_t size = built_ * outputs_ * sizeof(float);
  const void *from = out_.size() == 1 && out_[0].DataSize() == size ? out_[0].MutableData() : nullptr;
  if (from == nullptr) {
    throw UserError("the network gives other outputs than the manifest's classes; is it another model's manifest?");
  }
  return static_cast<const float *>(from);
}

}  // namespace tinynets
