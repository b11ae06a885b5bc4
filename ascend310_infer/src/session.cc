#include "session.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>
#include <utility>

#include "error.h"
#include "include/api/context.h"
#include "library.h"

namespace tinynets {
namespace {

// The share of multiplications in dense convolutions of more than a pixel, as in ResNets, from which the library, which
// needs fewer multiplications for kernels of 3 (Winograd), is at least as fast.
constexpr double SPATIAL = 0.33;
constexpr float TOLERANCE = 1e-3f;  // of the library's largest logit; correct logits differ far less

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
    devices.push_back(std::make_shared<mindspore::CPUDeviceInfo>());  // the first device chooses the library's executor
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

// Returns null for the library's kernels.
const Kernels *Choose(const std::string &name) {
  if (name == "best") return FindKernels();
  if (name == "library") return nullptr;
  const Kernels *const found = FindKernels(name);
  if (found == nullptr) throw UserError("--kernels " + name + ": this processor has no such instructions; try best");
  return found;
}

}  // namespace

Session::Session(const Arguments &arguments, const Manifest &manifest, const Session *other) : batch_(arguments.batch) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(arguments.model, ignored)) {
    throw UserError(arguments.model + ": no such model file");
  }
  const CrashGuard guard;
  const Kernels *const kernels = arguments.device == "cpu" ? Choose(arguments.kernels) : nullptr;
  if (other != nullptr && other->network_ != nullptr) {
    network_ = other->network_;
    kernels_ = other->kernels_;
    inputs_ = other->inputs_;
    outputs_ = other->outputs_;
  } else if (kernels != nullptr && other == nullptr) {  // if the first could not replace it, no other can
    Reader reader(*kernels);
    Build(arguments, manifest, reader.provider());
    const auto network = Network::Make(*kernels, reader.Take());
    const bool best = network != nullptr && (arguments.kernels != "best" || network->spatial() < SPATIAL);
    if (best && Agrees(*network)) {
      network_ = network;
      kernels_ = kernels->name;
      in_.clear();
      out_.clear();
      model_.reset();  // with its copy of the weights
    } else if (arguments.kernels != "best") {
      throw UserError("--kernels " + arguments.kernels + ": not available for this network or this MindSpore Lite; " +
                      "try best");
    }
  } else {
    Build(arguments, manifest, "");
  }
  if (network_ == nullptr) {
    Resize(arguments, manifest);
    return;
  }
  team_ = std::make_unique<Team>(arguments.threads);
  memories_.resize(team_->size());
  images_.resize(batch_ * inputs_);
  logits_.resize(batch_ * outputs_);
}

Session::~Session() = default;

void Session::Build(const Arguments &arguments, const Manifest &manifest, const std::string &provider) {
  const std::string &path = arguments.model;
  model_ = std::make_unique<mindspore::Model>();
  Check(model_->Build(path, mindspore::kMindIR, MakeContext(arguments, provider)),
        path + ": does not load on " + arguments.device +
            (arguments.device == "ascend" ? " " + std::to_string(arguments.device_id) : ""));
  const int64_t side = manifest.resolution;
  in_ = model_->GetInputs();
  Expect(in_, path + ": input", {1, manifest.channels, side, side});
  if (in_[0].Shape()[0] < 1 && arguments.device == "cpu") {  // for an Ascend: converted for several batches
    throw UserError(path + ": converted with a free batch, on which MindSpore Lite crashes; convert it with one of 1");
  }
  inputs_ = static_cast<size_t>(manifest.channels * side * side);
  outputs_ = manifest.class_names.size();
}

// Whether the program's kernels and the library compute the same logits.
bool Session::Agrees(const Network &network) {
  if (network.inputs() != inputs_ || network.outputs() != outputs_) return false;
  std::vector<float> image(inputs_), logits(outputs_);
  std::mt19937 random;
  for (float &value : image) value = static_cast<float>(random()) / 0x1p31f - 1;
  std::copy(image.begin(), image.end(), Memory());
  const float *const wanted = Predict();
  Network::Memory memory;
  network.Run(image.data(), 1, logits.data(), &memory);
  float largest = 0;
  for (size_t i = 0; i < outputs_; i++) largest = std::max(largest, std::abs(wanted[i]));
  for (size_t i = 0; i < outputs_; i++) {
    if (!(std::abs(wanted[i] - logits[i]) <= TOLERANCE * largest)) return false;  // NaN is a difference
  }
  return true;
}

void Session::Resize(const Arguments &arguments, const Manifest &manifest) {
  const auto batch = static_cast<int64_t>(batch_);
  const std::vector<int64_t> shape = {batch, manifest.channels, manifest.resolution, manifest.resolution};
  if (in_[0].Shape() != shape) {
    Check(model_->Resize(in_, {shape}), arguments.model + ": cannot take a batch of " + std::to_string(batch_) +
                                            (arguments.device == "ascend" ? ", which it must be converted for" : ""));
    in_ = model_->GetInputs();
  }
  built_ = batch_;
  std::fill_n(Memory(), built_ * inputs_, 0.0f);
  Predict();  // the output's shape is known once the network has run
  Expect(model_->GetOutputs(), arguments.model + ": output", {batch, static_cast<int64_t>(outputs_)});
}

float *Session::Input() { return network_ == nullptr ? Memory() : images_.data(); }

// Each thread takes whole images if there are enough, else all threads share each image.
const float *Session::Run() {
  if (network_ == nullptr) return Predict();
  const float *const images = images_.data();
  float *const logits = logits_.data();
  const size_t threads = team_->size();
  if (threads > 1 && batch_ < threads) {
    network_->Run(images, batch_, logits, &memories_[0], team_.get());
    return logits;
  }
  team_->Run([&](size_t part) {
    const Share share = {part, threads};
    const size_t begin = share.Begin(batch_), count = share.End(batch_) - begin;
    network_->Run(images + begin * inputs_, count, logits + begin * outputs_, &memories_[part]);
  });
  return logits;
}

float *Session::Memory() {
  const size_t size = built_ * inputs_ * sizeof(float);
  void *to = in_.empty() || in_[0].DataSize() != size ? nullptr : in_[0].MutableData();
  if (to == nullptr) throw UserError("MindSpore Lite gives no input memory");
  return static_cast<float *>(to);
}

const float *Session::Predict() {
  Check(model_->Predict(in_, &out_), "the network does not run");
  const size_t size = built_ * outputs_ * sizeof(float);
  const void *from = out_.size() == 1 && out_[0].DataSize() == size ? out_[0].MutableData() : nullptr;
  if (from == nullptr) {
    throw UserError("the network gives other outputs than the manifest's classes; is it another model's manifest?");
  }
  return static_cast<const float *>(from);
}

}  // namespace tinynets
