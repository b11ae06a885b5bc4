#include "step.h"

#include <algorithm>

#include "elementwise.h"

namespace tinynets {
namespace {

constexpr size_t LANES = 16;
constexpr size_t CACHED = 32768;  // gated values that are used before the next ones are made

}  // namespace

Step::Step(const Node &node)
    : operation_(node.operation),
      inputs_(node.inputs),
      output_(node.output),
      from_(node.from),
      to_(node.to),
      map_(node.from),
      convolution_(node.operation.convolution),
      depthwise_(node.operation.depthwise) {}

size_t Step::Values(const Shape &shape) {
  size_t values = 1;
  for (const int64_t side : shape) values *= static_cast<size_t>(side);
  return values;
}

size_t Step::weights() const {
  size_t values = 0;
  if (convolution_ != nullptr) values += convolution_->weights();
  if (depthwise_ != nullptr) values += depthwise_->weights();
  return values;
}

std::string Step::Residual(const Node &next) const {
  if (next.operation.kind != Operation::ADD) return "";
  return next.inputs[0] == output_ ? next.inputs[1] : next.inputs[0];
}

bool Step::CanTakeOver(const Node &next) const {
  const Operation::Kind kind = operation_.kind;
  const bool plain = convolution_ != nullptr && expansion_ == nullptr && residual_.empty();
  switch (next.operation.kind) {
    case Operation::CONVOLUTION:
      if (convolution_ != nullptr || next.inputs[0] != output_) return false;
      return kind == Operation::TO_CHANNELS_LAST || (kind == Operation::GATE && next.operation.convolution->pointwise());
    case Operation::SILU:
      return residual_.empty() && !silu() && (convolution_ != nullptr || depthwise_ != nullptr);
    case Operation::DEPTHWISE:
      return plain && kind == Operation::CONVOLUTION && convolution_->pointwise();
    case Operation::ADD:
      return plain && !silu_;
    default:
      return false;
  }
}

void Step::Take(const Node &next, const std::string &residual) {
  switch (next.operation.kind) {
    case Operation::CONVOLUTION:
      convolution_ = next.operation.convolution;
      map_ = next.from;
      break;
    case Operation::SILU:
      (expansion_ == nullptr ? silu_ : silu_after_) = true;
      break;
    case Operation::DEPTHWISE:
      depthwise_ = next.operation.depthwise;
      expansion_ = std::make_unique<Expansion>(convolution_, silu_, depthwise_);
      map_ = next.from;
      break;
    default:
      residual_ = residual;
  }
  output_ = next.output;
  to_ = next.to;
}

bool Step::TakeAlong(const Node &reader) {
  if (depthwise_ == nullptr || !mean_.empty() || reader.operation.kind != Operation::MEAN) return false;
  mean_ = reader.output;
  return true;
}

std::vector<std::string> Step::reads() const {
  std::vector<std::string> names = inputs_;
  if (!residual_.empty()) names.push_back(residual_);
  return names;
}

void Step::Run(const Memory &memory, size_t batch) {
  const float *const x = memory.read[0], *const second = memory.read[1];
  const float *const residual = residual_.empty() ? nullptr : memory.read[inputs_.size()];
  float *const y = memory.output;
  const size_t size = from(), channels = from_.back();
  switch (operation_.kind) {
    case Operation::SILU:
      return Silu(x, y, batch * size);
    case Operation::SIGMOID:
      return Sigmoid(x, y, batch * size);
    case Operation::ADD:
      return Add(x, second, y, batch * size);
    case Operation::COPY:
      std::copy_n(x, batch * size, y);
      return;
    case Operation::MEAN:
      for (size_t i = 0; i < batch; i++) Mean(x + i * size, y + i * channels, size / channels, channels);
      return;
    case Operation::GATE:
      return RunGate(x, second, batch, y, residual);
    case Operation::TO_CHANNELS_LAST:
      return RunChannelsLast(x, batch, y);
    case Operation::CONVOLUTION:
      if (expansion_ != nullptr) return RunDepthwise(*expansion_, x, batch, y, memory.mean);
      return RunConvolution(x, batch, y, residual);
    case Operation::DEPTHWISE:
      return RunDepthwise(*depthwise_, x, batch, y, memory.mean);
    case Operation::NONE:
      return;
  }
}

void Step::RunConvolution(const float *x, size_t batch, float *y, const float *residual) {
  const Finish finish = {silu_, residual, nullptr};
  const Layout layout = {static_cast<ptrdiff_t>(convolution_->outputs()), LANES};
  if (convolution_->pointwise()) {
    return convolution_->Pixels(x, batch * from() / convolution_->inputs(), y, layout, finish);
  }
  for (size_t i = 0; i < batch; i++) {
    Finish part = finish;
    if (residual != nullptr) part.residual += i * to();
    (*convolution_)(x + i * from(), map_[1], map_[2], y + i * to(), part);
  }
}

void Step::RunChannelsLast(const float *x, size_t batch, float *y) {
  const size_t channels = from_[1], pixels = from_[2] * from_[3];
  for (size_t i = 0; i < batch; i++, x += from(), y += to()) {
    if (convolution_ != nullptr) {
      (*convolution_)(x, map_[1], map_[2], {from_[3], 1, static_cast<ptrdiff_t>(pixels)}, y, {silu_, nullptr, nullptr});
      continue;
    }
    for (size_t c = 0; c < channels; c++) {
      for (size_t p = 0; p < pixels; p++) y[p * channels + c] = x[c * pixels + p];
    }
  }
}

void Step::RunGate(const float *x, const float *gate, size_t batch, float *y, const float *residual) {
  const size_t channels = from_.back(), pixels = from() / channels, most = std::max<size_t>(64, CACHED / channels);
  if (convolution_ == nullptr) {
    for (size_t i = 0; i < batch; i++) Gate(x + i * from(), gate + i * channels, y + i * from(), pixels, channels);
    return;
  }
  const size_t outputs = convolution_->outputs();
  const Layout layout = {static_cast<ptrdiff_t>(outputs), LANES};
  gated_.resize(std::min(most, pixels) * channels);
  for (size_t i = 0; i < batch; i++, gate += channels) {
    for (size_t begun = 0; begun < pixels; begun += most) {
      const size_t here = std::min(most, pixels - begun), pixel = i * pixels + begun;
      Gate(x + pixel * channels, gate, gated_.data(), here, channels);
      convolution_->Pixels(gated_.data(), here, y + pixel * outputs, layout,
                           {silu_, residual == nullptr ? nullptr : residual + pixel * outputs, nullptr});
    }
  }
}

template <typename Convolve>
void Step::RunDepthwise(Convolve &convolve, const float *x, size_t batch, float *y, float *mean) {
  const size_t channels = depthwise_->channels(), pixels = to() / channels;
  for (size_t i = 0; i < batch; i++) {
    if (mean != nullptr) totals_.assign((channels + LANES - 1) / LANES * LANES, 0.f);
    convolve(x + i * from(), map_[1], map_[2], y + i * to(),
             {silu(), nullptr, mean == nullptr ? nullptr : totals_.data()});
    for (size_t c = 0; mean != nullptr && c < channels; c++) {
      mean[i * channels + c] = totals_[c] / static_cast<float>(pixels);
    }
  }
}

}  // namespace tinynets
