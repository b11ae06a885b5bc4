#include "session.h"

#include <algorithm>
#include <filesystem>

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
  auto &devices = context->MutableDeviceInfo();
  if (arguments.device == "ascend") {
    auto ascend = std::make_shared<mindspore::AscendDeviceInfo>();
    ascend->SetDeviceID(static_cast<uint32_t>(arguments.device_id));
    ascend->SetPrecisionMode(arguments.precision);
    devices.push_back(ascend);
  } else {
    devices.push_back(std::make_shared<mindspore::CPUDeviceInfo>());
  }
  return context;
}

std::string Text(const std::vector<int64_t> &shape) {
  std::string text;
  for (const int64_t side : shape) text += (text.empty() ? "(" : ", ") + std::to_string(side);
  return text + ")";
}

// The shape but for its batch, the tensor's type and how many there are.
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

Session::Session(const Arguments &arguments, const Manifest &manifest) : model_(new mindspore::Model) {
  const std::string &path = arguments.model;
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) throw UserError(path + ": no such model file");
  const CrashGuard guard;
  Check(model_->Build(path, mindspore::kMindIR, MakeContext(arguments)),
        path + ": does not load on " + arguments.device +
            (arguments.device == "ascend" ? " " + std::to_string(arguments.device_id) : ""));
  const int64_t side = manifest.resolution, classes = static_cast<int64_t>(manifest.class_names.size());
  auto inputs = model_->GetInputs();
  Expect(inputs, path + ": input", {arguments.batch, 3, side, side});
  if (inputs[0].Shape()[0] < 1) {
    throw UserError(path + ": converted with a free batch, on which MindSpore Lite crashes; convert it with one of 1");
  }
  const std::vector<int64_t> shape = {arguments.batch, 3, side, side};
  if (inputs[0].Shape() != shape) {
    Check(model_->Resize(inputs, {shape}), path + ": cannot take a batch of " + std::to_string(arguments.batch));
  }
  inputs_ = static_cast<size_t>(arguments.batch) * 3 * side * side;
  outputs_ = static_cast<size_t>(arguments.batch) * classes;
  in_ = model_->GetInputs();
  std::fill_n(Input(), inputs_, 0.0f);
  Run();  // the output's shape is known once the network has run
  Expect(model_->GetOutputs(), path + ": output", {arguments.batch, classes});
}

Session::~Session() = default;

float *Session::Input() {
  void *to = in_.empty() || in_[0].DataSize() != inputs_ * sizeof(float) ? nullptr : in_[0].MutableData();
  if (to == nullptr) throw UserError("MindSpore Lite gives no input memory");
  return static_cast<float *>(to);
}

const float *Session::Run() {
  Check(model_->Predict(in_, &out_), "the network does not run");
  const void *from =
      out_.size() == 1 && out_[0].DataSize() == outputs_ * sizeof(float) ? out_[0].MutableData() : nullptr;
  if (from == nullptr) {
    throw UserError("the network gives other outputs than the manifest's classes; is it another model's manifest?");
  }
  return static_cast<const float *>(from);
}

}  // namespace tinynets
