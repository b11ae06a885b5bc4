#include "reader.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

#include "elementwise.h"
#include "include/registry/register_kernel.h"
#include "primitive.h"

namespace tinynets {
namespace {

using mindspore::MSTensor;
using mindspore::schema::Primitive;
using mindspore::schema::PrimitiveType;
using Tensors = std::vector<MSTensor>;

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

bool IsActivated(const Primitive *primitive, int index) {
  return Attribute(primitive, index) != mindspore::schema::ActivationType_NO_ACTIVATION;
}

Operation FindActivation(const Primitive *primitive, const Tensors &inputs, const Shape &output) {
  if (inputs.size() != 1 || inputs[0].Shape() != output) return {};
  switch (Attribute(primitive, 0)) {
    case mindspore::schema::ActivationType_SWISH:
      return {Operation::SILU};
    case mindspore::schema::ActivationType_SIGMOID:
      return {Operation::SIGMOID};
    default:
      return {};
  }
}

Operation FindProduct(const Primitive *primitive, const Tensors &inputs, const Shape &output) {
  if (IsActivated(primitive, 0) || inputs.size() != 2 || output.size() != 4) return {};
  const Shape gate = {output[0], 1, 1, output[3]};
  return {inputs[0].Shape() == output && inputs[1].Shape() == gate ? Operation::GATE : Operation::NONE};
}

Operation FindSum(const Primitive *primitive, const Tensors &inputs, const Shape &output) {
  if (IsActivated(primitive, 0) || inputs.size() != 2) return {};
  return {inputs[0].Shape() == output && inputs[1].Shape() == output ? Operation::ADD : Operation::NONE};
}

Operation FindPooling(const Primitive *primitive, const Tensors &inputs, const Shape &output) {
  constexpr int GLOBAL = 6, ACTIVATION = 7;
  if (IsActivated(primitive, ACTIVATION) || !Attribute(primitive, GLOBAL) || inputs.size() != 1 || output.size() != 4) {
    return {};
  }
  const Shape &from = inputs[0].Shape();
  return {from.size() == 4 && output == Shape{from[0], 1, 1, from[3]} ? Operation::MEAN : Operation::NONE};
}

Operation FindConvolution(const Primitive *primitive, const Tensors &inputs, const Shape &output) {
  constexpr int KERNEL = 1, STRIDE = 2, DILATION = 3, MODE = 4, PADDING = 5, ACTIVATION = 10;
  constexpr int EXPLICIT = 0;  // of padding's modes
  const Shape kernel = Integers(primitive, KERNEL), stride = Integers(primitive, STRIDE);
  if (IsActivated(primitive, ACTIVATION) || kernel.size() != 2 || stride.size() != 2) return {};
  const Shape &from = inputs[0].Shape();
  const int64_t k = kernel[0], s = stride[0];
  if (inputs.size() < 2 || inputs.size() > 3 || from.size() != 4 || output.size() != 4 || kernel[1] != k ||
      stride[1] != s || k % 2 != 1 || s < 1) {
    return {};
  }
  const int64_t channels = from[3], outputs = output[3];
  const Shape halved = {from[0], (from[1] - 1) / s + 1, (from[2] - 1) / s + 1, outputs};
  if (output != halved || Attribute(primitive, MODE) != EXPLICIT || Integers(primitive, PADDING) != Shape(4, k / 2) ||
      Integers(primitive, DILATION) != Shape{1, 1}) {
    return {};
  }
  const auto bias = inputs.size() == 3 ? Constant(inputs[2], {outputs}) : nullptr;
  if (inputs.size() == 3 && bias == nullptr) return {};
  const auto *const b = static_cast<const float *>(bias.get());
  Operation found;
  // A kernel of one input channel for every output channel: depthwise, where there are as many channels as before.
  if (const auto weights = Constant(inputs[1], {channels, k, k, 1});
      weights != nullptr && outputs == channels && Depthwise::Covers(k, s)) {
    found.kind = Operation::DEPTHWISE;
    found.depthwise = std::make_shared<const Depthwise>(k, s, channels, static_cast<const float *>(weights.get()), b);
  } else if (const auto all = Constant(inputs[1], {outputs, k, k, channels}); all != nullptr) {
    found.kind = Operation::CONVOLUTION;
    found.convolution =
        std::make_shared<const Convolution>(k, s, channels, outputs, static_cast<const float *>(all.get()), b);
  }
  return found;
}

Operation FindMatrix(const Primitive *primitive, const Tensors &inputs, const Shape &output) {
  constexpr int TRANSPOSE_A = 0, TRANSPOSE_B = 1, ACTIVATION = 2;
  if (Attribute(primitive, TRANSPOSE_A) || !Attribute(primitive, TRANSPOSE_B) || IsActivated(primitive, ACTIVATION) ||
      inputs.size() < 2 || inputs.size() > 3 || inputs[0].Shape().size() != 2 || output.size() != 2) {
    return {};
  }
  const auto weights = Constant(inputs[1], {output[1], inputs[0].Shape()[1]});
  const auto bias = inputs.size() == 3 ? Constant(inputs[2], {output[1]}) : nullptr;
  if (weights == nullptr || (inputs.size() == 3 && bias == nullptr)) return {};
  Operation found{Operation::CONVOLUTION};
  found.convolution = std::make_shared<const Convolution>(1, 1, inputs[0].Shape()[1], output[1],
                                                          static_cast<const float *>(weights.get()),
                                                          static_cast<const float *>(bias.get()));
  return found;
}

// Whether two shapes are the same but for sides of 1.
bool SameOrder(Shape a, Shape b) {
  for (Shape *shape : {&a, &b}) shape->erase(std::remove(shape->begin() + 1, shape->end(), 1), shape->end());
  return a == b;
}

Operation FindFlattening(const Primitive *, const Tensors &inputs, const Shape &output) {
  return {SameOrder(inputs[0].Shape(), output) ? Operation::COPY : Operation::NONE};
}

Operation FindTransposition(const Primitive *, const Tensors &inputs, const Shape &output) {
  const Shape &from = inputs[0].Shape();
  if (inputs.size() != 2 || !inputs[1].IsConst() || inputs[1].Shape() != Shape{4} || from.size() != 4 ||
      inputs[1].DataType() != mindspore::DataType::kNumberTypeInt32 || output.size() != 4) {
    return {};
  }
  const auto data = inputs[1].Data();
  const auto *const order = static_cast<const int32_t *>(data.get());
  if (order == nullptr || order[0] != 0) return {};
  if (from[1] * from[2] * from[3] == std::max({from[1], from[2], from[3]})) return {Operation::COPY};
  return {order[1] == 2 && order[2] == 3 && order[3] == 1 ? Operation::TO_CHANNELS_LAST : Operation::NONE};
}

struct Type {
  PrimitiveType type;
  Operation (*find)(const Primitive *, const Tensors &inputs, const Shape &output);
};
constexpr Type TYPES[] = {{mindspore::schema::PrimitiveType_Activation, FindActivation},
                          {mindspore::schema::PrimitiveType_AddFusion, FindSum},
                          {mindspore::schema::PrimitiveType_AvgPoolFusion, FindPooling},
                          {mindspore::schema::PrimitiveType_Conv2DFusion, FindConvolution},
                          {mindspore::schema::PrimitiveType_Flatten, FindFlattening},
                          {mindspore::schema::PrimitiveType_MatMulFusion, FindMatrix},
                          {mindspore::schema::PrimitiveType_MulFusion, FindProduct},
                          {mindspore::schema::PrimitiveType_Transpose, FindTransposition}};

Operation Find(PrimitiveType type, const Primitive *primitive, const Tensors &inputs, const Tensors &outputs) {
  if (inputs.empty() || outputs.size() != 1 || !IsComputed(inputs[0]) || !IsComputed(outputs[0])) return {};
  for (const Type &one : TYPES) {
    if (one.type != type) continue;
    const Operation found = one.find(primitive, inputs, outputs[0].Shape());
    const bool computed = std::all_of(inputs.begin(), inputs.begin() + found.computed(), IsComputed);
    return computed ? found : Operation();
  }
  return {};
}

std::atomic<int> networks{0};

}  // namespace

struct Reader::State {
  const std::string provider = "tinynets" + std::to_string(networks++);
  std::vector<Node> nodes;

  void Add(PrimitiveType type, const Tensors &inputs, const Tensors &outputs, const Primitive *primitive) {
    Node node;
    node.operation = Find(type, primitive, inputs, outputs);
    if (node.operation.kind != Operation::NONE) {
      for (size_t i = 0; i < node.operation.computed(); i++) node.inputs.push_back(inputs[i].Name());
      node.output = outputs[0].Name();
      node.from = inputs[0].Shape();
      node.to = outputs[0].Shape();
    }
    nodes.push_back(std::move(node));
  }
};

Reader::Reader() {
  if (!HasElementwise()) return;
  const auto state = std::make_shared<State>();  // the library keeps it as long as the program runs
  const auto provider = mindspore::StringToChar(state->provider), device = mindspore::StringToChar("CPU");
  const auto take = [&](int type) {
    const auto tell = [=](const Tensors &inputs, const Tensors &outputs, const Primitive *primitive,
                          const mindspore::Context *) {
      state->Add(static_cast<PrimitiveType>(type), inputs, outputs, primitive);
      return nullptr;
    };
    return mindspore::registry::RegisterKernel::RegKernel(device, provider, mindspore::DataType::kNumberTypeFloat32,
                                                          type, tell) == mindspore::kSuccess;
  };
  int type = 1;
  while (take(type)) type++;  // all there are
  if (type > mindspore::schema::PrimitiveType_Transpose) state_ = state;
}

const char *Reader::provider() const { return state_ == nullptr ? "" : state_->provider.c_str(); }

std::vector<Node> Reader::Take() {
  std::vector<Node> nodes;
  if (state_ != nullptr) nodes.swap(state_->nodes);
  return nodes;
}

}  // namespace tinynets
