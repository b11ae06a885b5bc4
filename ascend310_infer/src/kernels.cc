#include "kernels.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <vector>

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

// An attribute of one byte of an operator, by its place in the operator's table in MindSpore Lite's schema.
int Attribute(const Primitive *primitive, int index) {
  const uint8_t *const value = primitive == nullptr ? nullptr : Field(primitive, 1);  // 0 is the union's type
  if (value == nullptr) return 0;
  uint32_t forward;
  std::memcpy(&forward, value, sizeof forward);
  const uint8_t *const byte = Field(value + forward, index);
  return byte == nullptr ? 0 : static_cast<int8_t>(*byte);
}

// A shape of channels-last (batch, ..., channels) as (batch, rows, channels).
struct Rows {
  explicit Rows(const Shape &shape) : batch(shape.front()), channels(shape.back()) {
    for (size_t i = 1; i + 1 < shape.size(); i++) rows *= shape[i];
  }
  size_t batch, rows = 1, channels;
};

// What runs for an operator, on its tensors' memory; `of` is the shape of the first input.
using Function = void (*)(const Rows &of, const float *const *inputs, float *output);

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

class Kernel : public mindspore::kernel::Kernel {
 public:
  Kernel(const Tensors &inputs, const Tensors &outputs, const Primitive *primitive, const mindspore::Context *context,
         mindspore::schema::PrimitiveType type, Function function)
      : shape_(inputs[0].Shape()), rows_(shape_), function_(function) {
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
    for (size_t i = 0; i < inputs_.size(); i++) {
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
  const Function function_;
};

// Floats of known shape that the network computes. (Constants the library may free once the network is built.)
bool IsComputed(const MSTensor &tensor) {
  const Shape &shape = tensor.Shape();
  return !tensor.IsConst() && tensor.DataType() == mindspore::DataType::kNumberTypeFloat32 && shape.size() > 1 &&
         std::all_of(shape.begin(), shape.end(), [](int64_t side) { return side > 0; });
}

struct Operator {
  mindspore::schema::PrimitiveType type;
  Function (*find)(const Primitive *, const Tensors &inputs, const Shape &output);
};
constexpr Operator OPERATORS[] = {{mindspore::schema::PrimitiveType_Activation, FindActivation},
                                  {mindspore::schema::PrimitiveType_MulFusion, FindProduct},
                                  {mindspore::schema::PrimitiveType_AvgPoolFusion, FindPooling}};

bool Register(const Operator &one) {
  const auto create = [&one](const Tensors &inputs, const Tensors &outputs, const Primitive *primitive,
                             const mindspore::Context *context) -> std::shared_ptr<mindspore::kernel::Kernel> {
    const bool computed = std::all_of(inputs.begin(), inputs.end(), IsComputed) && outputs.size() == 1;
    const Function function = computed ? one.find(primitive, inputs, outputs[0].Shape()) : nullptr;
    if (function == nullptr) return nullptr;
    made++;
    return std::make_shared<Kernel>(inputs, outputs, primitive, context, one.type, function);
  };
  return mindspore::registry::RegisterKernel::RegKernel(
             mindspore::StringToChar("CPU"), mindspore::StringToChar(PROVIDER),
             mindspore::DataType::kNumberTypeFloat32, one.type, create) == mindspore::kSuccess;
}

}  // namespace

const char *KernelProvider() {
  static const bool registered =
      HasElementwise() && std::all_of(std::begin(OPERATORS), std::end(OPERATORS), Register);
  return registered ? PROVIDER : "";
}

int KernelsMade() { return made; }

}  // namespace tinynets
