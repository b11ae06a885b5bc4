#include "step.h"

#include <algorithm>

#include "elementwise.h"

namespace tinynets {
namespace {

constexpr size_t LANES = 16;
constexpr size_t SMALL = 20000;   // multiplications that are not worth a second thread
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

bool Step::IsHeavy() const {
  size_t weights = 0;
  if (convolution_ != nullptr) weights += convolution_->weights();
  if (depthwise_ != nullptr) weights += depthwise_->weights();
  return map_.size() == 4 && map_[1] * map_[2] > 1 && weights > from() + to();
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
      if (convolution_ != nullptr) return false;
      return kind == Operation::TO_CHANNELS_LAST || (kind == Operation::GATE && next.operation.convolution->pointwise());
    case Operation::SILU:
      return residual_.empty() && !silu() && (convolution_ != nullptr || depthwise_ != nullptr);
    case Operation::DEPTHWISE:
      return plain && kind == Operation::CONVOLUTION && convolution_->pointwise();
    case Operation::ADD:
      return plain && !silu_ && kind != Operation::TO_CHANNELS_LAST;
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
      expansion_ = std::make_shared<const Expansion>(convolution_, silu_, depthwise_);
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

bool Step::IsShared() const {
  size_t work = from();
  if (convolution_ != nullptr) work += from() / convolution_->inputs() * convolution_->weights();
  if (depthwise_ != nullptr) work += to() * depthwise_->weights() / depthwise_->channels();
  return work > SMALL;
}

void Step::Run(const Memory &memory, size_t batch, const Share &share, Scratch *scratch) const {
  const float *const x = memory.read[0], *const second = memory.read[1];
  const float *const residual = residual_.empty() ? nullptr : memory.read[inputs_.size()];
  float *const y = memory.output;
  const size_t size = from(), channels = from_.back();
  const size_t begin = share.Begin(batch * size), values = share.End(batch * size) - begin;
  switch (operation_.kind) {
    case Operation::SILU:
      return Silu(x + begin, y + begin, values);
    case Operation::SIGMOID:
      return Sigmoid(x + begin, y + begin, values);
    case Operation::ADD:
      return Add(x + begin, second + begin, y + begin, values);
    case Operation::COPY:
      std::copy_n(x + begin, values, y + begin);
      return;
    case Operation::MEAN:
      for (size_t i = share.Begin(batch); i < share.End(batch); i++) {
        Mean(x + i * size, y + i * channels, size / channels, channels);
      }
      return;
    case Operation::GATE:
      return RunGate(x, second, batch, y, residual, share, scratch);
    case Operation::TO_CHANNELS_LAST:
      return RunChannelsLast(x, batch, y, share, scratch);
    case Operation::CONVOLUTION:
      if (expansion_ != nullptr) return RunDepthwise(*expansion_, x, batch, y, memory.mean, share, scratch);
      return RunConvolution(x, batch, y, residual, share, scratch);
    case Operation::DEPTHWISE:
      return RunDepthwise(*depthwise_, x, batch, y, memory.mean, share, scratch);
    case Operation::NONE:
      return;
  }
}

void Step::RunConvolution(const float *x, size_t batch, float *y, const float *residual, const Share &share,
                          Scratch *scratch) const {
  const Finish finish = {silu_, residual, nullptr};
  const auto inputs = static_cast<ptrdiff_t>(convolution_->inputs());
  if (convolution_->pointwise()) {
    const Layout layout = {static_cast<ptrdiff_t>(convolution_->outputs()), LANES};
    return convolution_->Pixels(x, batch * from() / convolution_->inputs(), y, layout, finish, share);
  }
  const auto row = static_cast<ptrdiff_t>(map_[2]) * inputs;
  for (size_t i = 0; i < batch; i++) {
    Finish part = finish;
    if (residual != nullptr) part.residual += i * to();
    (*convolution_)(x + i * from(), map_[1], map_[2], {row, inputs, 1}, y + i * to(), part, share, scratch);
  }
}

void Step::RunChannelsLast(const float *x, size_t batch, float *y, const Share &share, Scratch *scratch) const {
  const size_t channels = from_[1], pixels = from_[2] * from_[3];
  const Convolution::Strides strides = {static_cast<ptrdiff_t>(from_[3]), 1, static_cast<ptrdiff_t>(pixels)};
  for (size_t i = 0; i < batch; i++, x += from(), y += to()) {
    if (convolution_ != nullptr) {
      (*convolution_)(x, map_[1], map_[2], strides, y, {silu_, nullptr, nullptr}, share, scratch);
      continue;
    }
    for (size_t c = 0; c < channels; c++) {
      for (size_t p = share.Begin(pixels); p < share.End(pixels); p++) y[p * channels + c] = x[c * pixels + p];
    }
  }
}

void Step::RunGate(const float *x, const float *gate, size_t batch, float *y, const float *residual, const Share &share,
                   Scratch *scratch) const {
  const size_t channels = from_.back(), pixels = from() / channels;
  const size_t begin = share.Begin(pixels), end = share.End(pixels);
  for (size_t i = 0; i < batch; i++, gate += channels) {
    const float *const image = x + i * from();
    if (convolution_ == nullptr) {
      Gate(image + begin * channels, gate, y + i * from() + begin * channels, end - begin, channels);
      continue;
    }
    const size_t outputs = convolution_->outputs(), most = std::max<size_t>(64, CACHED / channels);
    const Layout layout = {static_cast<ptrdiff_t>(outputs), LANES};
    float *const gated = Scratch::Room(&scratch->values, std::min(most, pixels) * channels);
    for (size_t begun = begin; begun < end; begun += most) {
      const size_t here = std::min(most, end - begun), at = (i * pixels + begun) * outputs;
      Gate(image + begun * channels, gate, gated, here, channels);
      convolution_->Pixels(gated, here, y + at, layout,
                           {silu_, residual == nullptr ? nullptr : residual + at, nullptr});
    }
  }
}

template <typename Convolve>
void Step::RunDepthwise(const Convolve &convolve, const float *x, size_t batch, float *y, float *mean,
                        const Share &share, Scratch *scratch) const {
  const size_t channels = depthwise_->channels(), whole = (channels + LANES - 1) / LANES * LANES;
  float *const totals = mean == nullptr ? nullptr : Scratch::Room(&scratch->totals, whole);
  for (size_t i = 0; i < batch; i++) {
    if (totals != nullptr) std::fill_n(totals, whole, 0.f);
    convolve(x + i * from(), map_[1], map_[2], y + i * to(), {silu(), nullptr, totals}, share, scratch);
    for (size_t c = 0; totals != nullptr && share.parts == 1 && c < channels; c++) {
      mean[i * channels + c] = totals[c] * static_cast<float>(channels) / static_cast<float>(to());
    }
  }
}

void Step::Average(const std::vector<Scratch> &scratch, float *mean) const {
  const size_t channels = depthwise_->channels();
  for (size_t c = 0; c < channels; c++) {
    float total = 0;
    for (const Scratch &one : scratch) total += one.totals.data()[c];
    mean[c] = total * static_cast<float>(channels) / static_cast<float>(to());
  }
}

}  // namespace tinynets
