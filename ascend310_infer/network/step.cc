#include "step.h"

#include <algorithm>

namespace tinynets {
namespace {

constexpr size_t SMALL = 20000;   // multiplications that are too few for a second thread
constexpr size_t CACHED = 32768;  // gated values used before the next ones are made

}  // namespace

Step::Step(const Kernels &kernels, const Node &node)
    : kernels_(kernels),
      operation_(node.operation),
      inputs_(node.inputs),
      output_(node.output),
      from_(node.from),
      to_(node.to),
      map_(node.from),
      convolution_(node.operation.convolution),
      depthwise_(node.operation.depthwise),
      activation_(node.operation.activation) {}

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
      return kind == Operation::TO_CHANNELS_LAST ||
             (kind == Operation::GATE && next.operation.convolution->pointwise());
    case Operation::AFFINE:
      if (!next.operation.IsActivation() || (convolution_ == nullptr && depthwise_ == nullptr)) return false;
      return (residual_.empty() ? activation_ : last_) == Activation::NONE;
    case Operation::DEPTHWISE:
      return plain && kind == Operation::CONVOLUTION && convolution_->pointwise();
    case Operation::ADD:
      return plain && kind != Operation::TO_CHANNELS_LAST;
    default:
      return false;
  }
}

void Step::Take(const Node &next, const std::string &residual) {
  const Activation activation = next.operation.activation;
  switch (next.operation.kind) {
    case Operation::CONVOLUTION:
      convolution_ = next.operation.convolution;
      activation_ = activation;
      map_ = next.from;
      break;
    case Operation::AFFINE:
      (residual_.empty() ? activation_ : last_) = activation;
      break;
    case Operation::DEPTHWISE:
      depthwise_ = next.operation.depthwise;
      expansion_ = std::make_shared<const Expansion>(convolution_, activation_, depthwise_);
      activation_ = activation;
      map_ = next.from;
      break;
    default:
      residual_ = residual;
      last_ = activation;
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
    case Operation::AFFINE:
      return kernels_.affine(x + begin, operation_.scale, operation_.shift, activation_, y + begin, values);
    case Operation::ADD:
      return kernels_.add(x + begin, second + begin, activation_, y + begin, values);
    case Operation::MULTIPLY:
      return kernels_.multiply(x + begin, second + begin, y + begin, values);
    case Operation::CONCATENATE:
      return RunConcatenation(x, second, batch, y, share);
    case Operation::PAD:
      return RunPadding(x, batch, y, share);
    case Operation::LARGEST:
      return RunLargest(x, batch, y, share);
    case Operation::COPY:
      std::copy_n(x + begin, values, y + begin);
      return;
    case Operation::MEAN:
      for (size_t i = share.Begin(batch); i < share.End(batch); i++) {
        kernels_.mean(x + i * size, y + i * channels, size / channels, channels);
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
  const Finish finish = {activation_, residual, last_, nullptr};
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

void Step::RunConcatenation(const float *x, const float *other, size_t batch, float *y, const Share &share) const {
  const size_t first = from_.back(), all = to_.back(), second = all - first, pixels = batch * from() / first;
  for (size_t p = share.Begin(pixels); p < share.End(pixels); p++) {
    std::copy_n(x + p * first, first, y + p * all);
    std::copy_n(other + p * second, second, y + p * all + first);
  }
}

void Step::RunPadding(const float *x, size_t batch, float *y, const Share &share) const {
  const size_t from_row = from_[2] * from_[3], row = to_[2] * to_[3], half = (to_[1] - from_[1]) / 2;
  const size_t rows = to_[1], last = rows - half;
  for (size_t i = 0; i < batch; i++, x += from(), y += to()) {
    for (size_t r = share.Begin(rows); r < share.End(rows); r++) {
      std::fill_n(y + r * row, row, 0.f);
      if (r >= half && r < last) std::copy_n(x + (r - half) * from_row, from_row, y + r * row + half * to_[3]);
    }
  }
}

void Step::RunLargest(const float *x, size_t batch, float *y, const Share &share) const {
  const size_t width = from_[2], channels = from_[3], rows = to_[1], begin = share.Begin(rows);
  const Window window = {operation_.kernel, operation_.stride, width, channels};
  for (size_t i = 0; i < batch; i++) {
    kernels_.largest(x + i * from() + begin * window.stride * width * channels, window,
                     y + i * to() + begin * to_[2] * channels, share.End(rows) - begin);
  }
}

void Step::RunChannelsLast(const float *x, size_t batch, float *y, const Share &share, Scratch *scratch) const {
  const size_t channels = from_[1], pixels = from_[2] * from_[3];
  const Finish finish = {activation_, nullptr, Activation::NONE, nullptr};
  const Convolution::Strides strides = {static_cast<ptrdiff_t>(from_[3]), 1, static_cast<ptrdiff_t>(pixels)};
  for (size_t i = 0; i < batch; i++, x += from(), y += to()) {
    if (convolution_ != nullptr) {
      (*convolution_)(x, map_[1], map_[2], strides, y, finish, share, scratch);
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
      kernels_.gate(image + begin * channels, gate, y + i * from() + begin * channels, end - begin, channels);
      continue;
    }
    const size_t outputs = convolution_->outputs(), most = std::max<size_t>(64, CACHED / channels);
    const Layout layout = {static_cast<ptrdiff_t>(outputs), LANES};
    float *const gated = Scratch::Room(&scratch->values, std::min(most, pixels) * channels);
    for (size_t begun = begin; begun < end; begun += most) {
      const size_t here = std::min(most, end - begun), at = (i * pixels + begun) * outputs;
      kernels_.gate(image + begun * channels, gate, gated, here, channels);
      convolution_->Pixels(gated, here, y + at, layout,
                           {activation_, residual == nullptr ? nullptr : residual + at, last_, nullptr});
    }
  }
}

template <typename Convolve>
void Step::RunDepthwise(const Convolve &convolve, const float *x, size_t batch, float *y, float *mean,
                        const Share &share, Scratch *scratch) const {
  const size_t channels = depthwise_->channels(), whole = (channels + LANES - 1) / LANES * LANES;
  float *const totals = mean == nullptr ? nullptr : Scratch::Room(&scratch->totals, whole);
  const Finish finish = {activation_, nullptr, Activation::NONE, totals};
  for (size_t i = 0; i < batch; i++) {
    if (totals != nullptr) std::fill_n(totals, whole, 0.f);
    convolve(x + i * from(), map_[1], map_[2], y + i * to(), finish, share, scratch);
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
