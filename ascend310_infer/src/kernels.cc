#include "kernels.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "depthwise.h"
#include "elementwise.h"
#include "include/registry/register_kernel.h"

namespace tinynets {
namespace {

using mindspore::MSTensor;
using mindspore::schema::Primitive;
using Tensors = std::vector<MSTensor>;
using Shape = std::vector<int64_t>;

constexpr char PROVIDER[] = "tinynets";
std::atomic<int> made{0};

// Field `index` of a FlatBuffers table: where it lies, or null where it has its default.
const uint8_t *Field(const void *table, int index) {
  const auto *const start = static_cast<const uint8_t *>(table);
  int32_t back;
  uint16_t size, offset = 0;
  std::memcpy(&back, start, sizeof back);
  const uint8_t *const fields = start - back;
  std::memcpy(&size, fields, sizeof size);
  const size_t entry = sizeof offset * (2 + index);
  if (entry + sizeof offset <= size) std::memcpy(&offset, fields + entry, sizeof offset);
  return offset == 0 ? nullptr : start + offset;
}

// What a field that holds an offset points to.
const uint8_t *Follow(const uint8_t *field) {
  if (field == nullptr) return nullptr;
  uint32_t forward;
  std::memcpy(&forward, field, sizeof forward);
  return field + forward;
}

// An attribute of an operator, by its place in the operator's table in MindSpore Lite's schema.
const uint8_t *Find(const Primitive *primitive, int index) {
  const uint8_t *const table = primitive == nullptr ? nullptr : Follow(Field(primitive, 1));  // 0 is the union's type
  return table == nullptr ? nullptr : Field(table, index);
}

// One of a single byte.
int Attribute(const Primitive *primitive, int index) {
  const uint8_t *const byte = Find(primitive, index);
  return byte == nullptr ? 0 : static_cast<int8_t>(*byte);
}

// One of a list of integers.
Shape Integers(const Primitive *primitive, int index) {
  const uint8_t *const list = Follow(Find(primitive, index));
  uint32_t size = 0;
  if (list != nullptr) std::memcpy(&size, list, sizeof size);
  Shape integers(size);
  if (size > 0) std::memcpy(integers.data(), list + sizeof size, size * sizeof(int64_t));
  return integers;
}

// A shape of channels-last (batch, ..., channels) as (batch, rows, channels).
struct Rows {
  explicit Rows(const Shape &shape) : batch(shape.front()), channels(shape.back()) {
    for (size_t i = 1; i + 1 < shape.size(); i++) rows *= shape[i];
  }
  size_t batch, rows = 1, channels;
};

// What runs for an operator, on its tensors' memory; `of` is the shape of the first input.
using Function = std::function<void(const Rows &of, const float *const *inputs, float *output)>;

void RunSilu(const Rows &of, const float *const *inputs, float *output) {
  Silu(inputs[0], output, of.batch * of.rows * of.channels);
}

void RunSigmoid(const Rows &of, const float *const *inputs, float *output) {
  Sigmoid(inputs[0], output, of.batch * of.rows * of.channels);
}

void RunGate(const Rows &of, const float *const *inputs, float *output) {
  for (size_t i = 0; i < of.batch; i++) {
    const size_t start = i * of.rows * of.channels;
    Gate(inputs[0] + start, inputs[1] + i * of.channels, output + start, of.rows, of.channels);
  }
}

void RunMean(const Rows &of, const float *const *inputs, float *output) {
  for (size_t i = 0; i < of.batch; i++) {
    Mean(inputs[0] + i * of.rows * of.channels, output + i * of.channels, of.rows, of.channels);
  }
}

// Floats of known shape that the network computes.
bool IsComputed(const MSTensor &tensor) {
  const Shape &shape = tensor.Shape();
  return !tensor.IsConst() && tensor.DataType() == mindspore::DataType::kNumberTypeFloat32 && shape.size() > 1 &&
         std::all_of(shape.begin(), shape.end(), [](int64_t side) { return side > 0; });
}

// The floats of a constant of a shape, and null where it is something else. The library may free them once the network
// is built.
std::shared_ptr<const void> Constant(const MSTensor &tensor, const Shape &shape) {
  const bool found =
      tensor.IsConst() && tensor.DataType() == mindspore::DataType::kNumberTypeFloat32 && tensor.Shape() == shape;
  return found ? tensor.Data() : nullptr;
}

// The function for an operator of a type, and null where it is none of ours.
Function FindActivation(const Primitive *primitive, const Tensors &inputs, const Shape &output) {
  if (inputs.size() != 1 || inputs[0].Shape() != output) return nullptr;
  switch (Attribute(primitive, 0)) {
    case mindspore::schema::ActivationType_SWISH:
      return RunSilu;
    case mindspore::schema::ActivationType_SIGMOID:
      return RunSigmoid;
    default:
      return nullptr;
  }
}

Function FindProduct(const Primitive *primitive, const Tensors &inputs, const Shape &output) {
  const bool activated = Attribute(primitive, 0) != mindspore::schema::ActivationType_NO_ACTIVATION;
  if (activated || inputs.size() != 2 || output.size() != 4) return nullptr;
  const Shape gate = {output[0], 1, 1, output[3]};
  return inputs[0].Shape() == output && inputs[1].Shape() == gate ? RunGate : nullptr;
}

Function FindPooling(const Primitive *primitive, const Tensors &inputs, const Shape &output) {
  constexpr int GLOBAL = 6, ACTIVATION = 7;
  const bool activated = Attribute(primitive, ACTIVATION) != mindspore::schema::ActivationType_NO_ACTIVATION;
  if (activated || !Attribute(primitive, GLOBAL) || inputs.size() != 1 || output.size() != 4) return nullptr;
  const Shape &from = inputs[0].Shape();
  return from.size() == 4 && output == Shape{from[0], 1, 1, from[3]} ? RunMean : nullptr;
}

Function FindConvolution(const Primitive *primitive, const Tensors &inputs, const Shape &output) {
  constexpr int KERNEL = 1, STRIDE = 2, DILATION = 3, MODE = 4, PADDING = 5, ACTIVATION = 10;
  constexpr int EXPLICIT = 0;  // of padding's modes
  const bool activated = Attribute(primitive, ACTIVATION) != mindspore::schema::ActivationType_NO_ACTIVATION;
  const Shape kernel = Integers(primitive, KERNEL), stride = Integers(primitive, STRIDE);
  if (activated || kernel.size() != 2 || stride.size() != 2 || inputs.size() < 2 || inputs.size() > 3) return nullptr;
  const Shape &from = inputs[0].Shape();
  const int64_t k = kernel[0], s = stride[0];
  if (from.size() != 4 || kernel[1] != k || stride[1] != s || !Depthwise::Covers(k, s)) return nullptr;
  const int64_t height = from[1], width = from[2], channels = from[3];
  const Shape halved = {from[0], (height - 1) / s + 1, (width - 1) / s + 1, channels};
  if (output != halved || Attribute(primitive, MODE) != EXPLICIT || Integers(primitive, PADDING) != Shape(4, k / 2) ||
      Integers(primitive, DILATION) != Shape{1, 1}) {
    return nullptr;
  }
  // A kernel of one input channel for every output channel: depthwise, where there are as many channels as before.
  const auto weights = Constant(inputs[1], {channels, k, k, 1});
  const auto bias = inputs.size() == 3 ? Constant(inputs[2], {channels}) : nullptr;
  if (weights == nullptr || (inputs.size() == 3 && bias == nullptr)) return nullptr;
  const Depthwise convolve(k, s, channels, static_cast<const float *>(weights.get()),
                           static_cast<const float *>(bias.get()));
  return [=](const Rows &of, const float *const *maps, float *y) {
    const size_t size = height * width * channels, made = halved[1] * halved[2] * channels;
    for (size_t i = 0; i < of.batch; i++) convolve(maps[0] + i * size, height, width, y + i * made);
  };
}

class Kernel : public mindspore::kernel::Kernel {
 public:
  Kernel(const Tensors &inputs, const Tensors &outputs, const Primitive *primitive, const mindspore::Context *context,
         mindspore::schema::PrimitiveType type, size_t computed, Function function)
      : shape_(inputs[0].Shape()), rows_(shape_), computed_(computed), function_(std::move(function)) {
    inputs_ = inputs;
    outputs_ = outputs;
    primitive_ = primitive;
    context_ = context;
    type_ = type;
  }
  int Prepare() override { return 0; }
  int ReSize() override { return inputs_[0].Shape() == shape_ ? 0 : -1; }
  int Execute() override {
    const float *inputs[2] = {};
    for (size_t i = 0; i < computed_; i++) {
      inputs[i] = static_cast<const float *>(inputs_[i].MutableData());
      if (inputs[i] == nullptr) return -1;
    }
    auto *const output = static_cast<float *>(outputs_[0].MutableData());
    if (output == nullptr) return -1;
    function_(rows_, inputs, output);
    return 0;
  }

 private:
  const Shape shape_;
  const Rows rows_;
  const size_t computed_;  // inputs, which come before the constants
  const Function function_;
};

struct Operator {
  mindspore::schema::PrimitiveType type;
  size_t computed;  // its first inputs, which are no constants
  Function (*find)(const Primitive *, const Tensors &inputs, const Shape &output);
};
constexpr Operator OPERATORS[] = {{mindspore::schema::PrimitiveType_Activation, 1, FindActivation},
                                  {mindspore::schema::PrimitiveType_MulFusion, 2, FindProduct},
                                  {mindspore::schema::PrimitiveType_AvgPoolFusion, 1, FindPooling},
                                  {mindspore::schema::PrimitiveType_Conv2DFusion, 1, FindConvolution}};

bool Register(const Operator &one) {
  const auto create = [&one](const Tensors &inputs, const Tensors &outputs, const Primitive *primitive,
                             const mindspore::Context *context) -> std::shared_ptr<mindspore::kernel::Kernel> {
    const bool computed = inputs.size() >= one.computed && outputs.size() == 1 &&
                          std::all_of(inputs.begin(), inputs.begin() + one.computed, IsComputed);
    const Function function = computed ? one.find(primitive, inputs, outputs[0].Shape()) : nullptr;
    if (function == nullptr) return nullptr;
    made++;
    return std::make_shared<Kernel>(inputs, outputs, primitive, context, one.type, one.computed, function);
  };
  return mindspore::registry::RegisterKernel::RegKernel(
             mindspore::StringToChar("CPU"), mindspore::StringToChar(PROVIDER), mindspore::DataType::kNumberTypeFloat32,
             one.type, create) == mindspore::kSuccess;
}

}  // namespace

const char *KernelProvider() {
  static const bool registered = HasElementwise() && std::all_of(std::begin(OPERATORS), std::end(OPERATORS), Register);
  return registered ? PROVIDER : "";
}

int KernelsMade() { return made; }

}  // namespace tinynets
