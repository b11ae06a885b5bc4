#include "session.h"

#include <algorithm>
#include <filesystem>

#include "error.h"
#include "include/api/context.h"
#include "kernels.h"
#include "library.h"

namespace tinynets {
namespace {

// From this resolution on one thread takes a batch image by image: what one image makes stays in the processor's cache,
// which is worth more than reading the weights once (TinyNet-C at 184 pixels, 16 images: a sixth faster).
constexpr int APART = 144;

void Check(const mindspore::Status &status, const std::string &what) {
  if (status == mindspore::kSuccess) return;
  std::string reason = status.ToString();
  for (char &c : reason) c = c == '\n' ? ' ' : c;
  throw UserError(what + " (MindSpore Lite: " + reason + " TINYNETS_DEBUG=1 shows its log)");
}

std::shared_ptr<mindspore::Context> MakeContext(const Arguments &arguments, const std::string &provider) {
  auto context = std::make_shared<mindspore::Context>();
  context->SetThreadNum(arguments.threads);
  auto &devices = context->MutableDeviceInfo();
  if (arguments.device == "ascend") {
    auto ascend = std::make_shared<mindspore::AscendDeviceInfo>();
    ascend->SetDeviceID(static_cast<uint32_t>(arguments.device_id));
    ascend->SetPrecisionMode(arguments.precision);
    devices.push_back(ascend);
  } else {
    devices.push_back(std::make_shared<mindspore::CPUDeviceInfo>());  // the first chooses the library's executor
    if (!provider.empty()) {
      devices.push_back(std::make_shared<mindspore::CPUDeviceInfo>());
      devices.back()->SetProvider(provider);
      devices.back()->SetProviderDevice("CPU");
    }
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

Session::Session(const Arguments &arguments, const Manifest &manifest) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(arguments.model, ignored)) {
    throw UserError(arguments.model + ": no such model file");
  }
  const CrashGuard guard;
  const bool single = arguments.device == "cpu" && arguments.threads == 1 && !arguments.plain;
  const bool apart = single && manifest.resolution >= APART;
  const std::string provider = single && (apart || arguments.batch == 1) ? KernelProvider() : "";
  if (!provider.empty()) {
    try {
      Load(arguments, manifest, 1, provider);
      return;
    } catch (const UserError &) {  // without our kernels, then; or the same error again
    }
  }
  Load(arguments, manifest, apart ? 1 : arguments.batch, "");
}

void Session::Load(const Arguments &arguments, const Manifest &manifest, int images, const std::string &provider) {
  const std::string &path = arguments.model;
  const int before = KernelsMade();
  model_ = std::make_unique<mindspore::Model>();
  Check(model_->Build(path, mindspore::kMindIR, MakeContext(arguments, provider)),
        path + ": does not load on " + arguments.device +
            (arguments.device == "ascend" ? " " + std::to_string(arguments.device_id) : ""));
  own_kernels_ = KernelsMade() - before;
  const int64_t side = manifest.resolution, classes = static_cast<int64_t>(manifest.class_names.size());
  auto inputs = model_->GetInputs();
  const std::vector<int64_t> shape = {images, 3, side, side};
  Expect(inputs, path + ": input", shape);
  if (inputs[0].Shape()[0] < 1) {
    throw UserError(path + ": converted with a free batch, on which MindSpore Lite crashes; convert it with one of 1");
  }
  if (inputs[0].Shape() != shape) {
    Check(model_->Resize(inputs, {shape}), path + ": cannot take a batch of " + std::to_string(images));
  }
  calls_ = static_cast<size_t>(arguments.batch / images);
  inputs_ = static_cast<size_t>(images) * 3 * side * side;
  outputs_ = static_cast<size_t>(images) * classes;
  if (calls_ > 1) {
    images_.resize(calls_ * inputs_);
    logits_.resize(calls_ * outputs_);
  }
  in_ = model_->GetInputs();
  std::fill_n(Memory(), inputs_, 0.0f);
  Predict();  // the output's shape is known once the network has run
  Expect(model_->GetOutputs(), path + ": output", {images, classes});
}

Session::~Session() = default;

float *Session::Input() { return calls_ > 1 ? images_.data() : Memory(); }

const float *Session::Run() {
  if (calls_ == 1) return Predict();
  for (size_t i = 0; i < calls_; i++) {
    std::copy_n(&images_[i * inputs_], inputs_, Memory());
    std::copy_n(Predict(), outputs_, &logits_[i * outputs_]);
  }
  return logits_.data();
}

float *Session::Memory() {
  void *to = in_.empty() || in_[0].DataSize() != inputs_ * sizeof(float) ? nullptr : in_[0].MutableData();
  if (to == nullptr) throw UserError("MindSpore Lite gives no input memory");
  return static_cast<float *>(to);
}

const float *Session::Predict() {
  Check(model_->Predict(in_, &out_), "the network does not run");
  const void *from =
      out_.size() == 1 && out_[0].DataSize() == outputs_ * sizeof(float) ? out_[0].MutableData() : nullptr;
  if (from == nullptr) {
    throw UserError("the network gives other outputs than the manifest's classes; is it another model's manifest?");
  }
  return static_cast<const float *>(from);
}

}  // namespace tinynets
