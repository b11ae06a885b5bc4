#include "reader.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "include/registry/register_kernel.h"
#include "primitive.h"

namespace tinynets {
namespace {

using mindspore::MSTensor;
using mindspore::schema::Primitive;
using mindspore::schema::PrimitiveType;
using Tensors = std::vector<MSTensor>;

// Whether the network computes a tensor, of floats with a known shape.
bool IsComputed(const MSTensor &tensor) {
  const Shape &shape = tensor.Shape();
  return !tensor.IsConst() && tensor.DataType() == mindspore::DataType::kNumberTypeFloat32 && shape.size() > 1 &&
         std::all_of(shape.begin(), shape.end(), [](int64_t side) { return side > 0; });
}

// The floats of a constant with the given shape, else null. The library may free them after the network is built.
std::shared_ptr<const void> Constant(const MSTensor &tensor, const Shape &shape) {
  const bool found =
      tensor.IsConst() && tensor.DataType() == mindspore::DataType::kNumberTypeFloat32 && tensor.Shape() == shape;
  return found ? tensor.Data() : nullptr;
}

// The value of a constant that is a single float, or the integers of one with the given shape; else nothing.
std::optional<float> Scalar(const MSTensor &tensor) {
  const auto &shape = tensor.Shape();
  if (std::any_of(shape.begin(), shape.end(), [](int64_t side) { return side != 1; })) return std::nullopt;
  const auto data = Constant(tensor, shape);
  return data == nullptr ? std::nullopt : std::optional(*static_cast<const float *>(data.get()));
}

std::vector<int32_t> ConstantIntegers(const MSTensor &tensor, const Shape &shape) {
  const bool integers = tensor.IsConst() && tensor.DataType() == mindspore::DataType::kNumberTypeInt32;
  if (!integers || tensor.Shape() != shape) return {};
  const auto data = tensor.Data();
  const auto *const begin = static_cast<const int32_t *>(data.get());
  return data == nullptr ? std::vector<int32_t>() : std::vector<int32_t>(begin, begin + tensor.ElementNum());
}

// The activation of an operator by an attribute, nothing if it is not supported here.
std::optional<Activation> FindActivation(const Primitive *primitive, int index) {
  switch (Attribute(primitive, index)) {
    case mindspore::schema::ActivationType_NO_ACTIVATION:
      return Activation::NONE;
    case mindspore::schema::ActivationType_RELU:
      return Activation::RELU;
    case mindspore::schema::ActivationType_RELU6:
      return Activation::RELU6;
    case mindspore::schema::ActivationType_SIGMOID:
      return Activation::SIGMOID;
    case mindspore::schema::ActivationType_SWISH:
      return Activation::SILU;
    default:
      return std::nullopt;
  }
}

bool IsActivated(const Primitive *primitive, int index) { return FindActivation(primitive, index) != Activation::NONE; }

Operation FindAffine(const Primitive *primitive, const Tensors &inputs, const Shape &output, const Kernels &) {
  const auto activation = FindActivation(primitive, 0);
  if (!activation.has_value() || inputs.size() != 1 || inputs[0].Shape() != output) return {};
  return {Operation::AFFINE, *activation};
}

Operation FindProduct(const Primitive *primitive, const Tensors &inputs, const Shape &output, const Kernels &) {
  if (IsActivated(primitive, 0) || inputs.size() != 2 || inputs[0].Shape() != output) return {};
  if (const auto scale = Scalar(inputs[1])) {
    Operation found{Operation::AFFINE};
    found.scale = *scale;
    return found;
  }
  if (inputs[1].Shape() == output) return {Operation::MULTIPLY};
  const bool gate = output.size() == 4 && inputs[1].Shape() == Shape{output[0], 1, 1, output[3]};
  return {gate ? Operation::GATE : Operation::NONE};
}

Operation FindSum(const Primitive *primitive, const Tensors &inputs, const Shape &output, const Kernels &) {
  const auto activation = FindActivation(primitive, 0);
  if (!activation.has_value() || inputs.size() != 2 || inputs[0].Shape() != output) return {};
  if (const auto shift = Scalar(inputs[1])) {
    Operation found{Operation::AFFINE, *activation};
    found.shift = *shift;
    return found;
  }
  if (inputs[1].Shape() == output) return {Operation::ADD, *activation};
  return {};
}

Operation FindConcatenation(const Primitive *primitive, const Tensors &inputs, const Shape &output, const Kernels &) {
  if (inputs.size() != 2 || output.size() != 4 || Attribute(primitive, 0) != 3) return {};  // along the channels
  const Shape &first = inputs[0].Shape(), &second = inputs[1].Shape();
  if (first.size() != 4 || second.size() != 4) return {};
  const Shape whole = {first[0], first[1], first[2], first[3] + second[3]};
  const bool matches = std::equal(first.begin(), first.end() - 1, second.begin()) && output == whole;
  return {matches ? Operation::CONCATENATE : Operation::NONE};
}

Operation FindPadding(const Primitive *primitive, const Tensors &inputs, const Shape &output, const Kernels &) {
  constexpr int MODE = 1, VALUE = 2;  // zero unless the operator sets it
  if (Attribute(primitive, MODE) != 0 || HasAttribute(primitive, VALUE) || inputs.size() != 2) return {};
  const Shape &from = inputs[0].Shape();
  const auto sides = ConstantIntegers(inputs[1], {4, 2});
  if (from.size() != 4 || sides.empty()) return {};
  const int32_t by = sides[2];
  const Shape padded = {from[0], from[1] + 2 * by, from[2] + 2 * by, from[3]};
  const bool matches = by >= 0 && sides == std::vector<int32_t>{0, 0, by, by, by, by, 0, 0} && output == padded;
  return {matches ? Operation::PAD : Operation::NONE};
}

Operation FindMaximum(const Primitive *primitive, const Tensors &inputs, const Shape &output, const Kernels &) {
  constexpr int KERNEL = 0, STRIDE = 1, PADDING = 2, GLOBAL = 6, ACTIVATION = 7;
  const Shape kernel = Integers(primitive, KERNEL), stride = Integers(primitive, STRIDE);
  const Shape padding = Integers(primitive, PADDING);
  if (kernel.size() != 2 || stride.size() != 2 || inputs.size() != 1 || output.size() != 4 ||
      Attribute(primitive, GLOBAL) || IsActivated(primitive, ACTIVATION)) {
    return {};
  }
  const Shape &from = inputs[0].Shape();
  const int64_t k = kernel[0], s = stride[0];
  if (kernel[1] != k || stride[1] != s || k < 1 || s < 1 || from.size() != 4 || from[1] < k || from[2] < k ||
      std::any_of(
          padding.begin(), padding.end(), [](int64_t side) { return side != 0; }) ||
      output != Shape{from[0], (from[1] - k) / s + 1, (from[2] - k) / s + 1, from[3]}) {
    return {};
  }
  Operation found{Operation::LARGEST};
  found.kernel = static_cast<size_t>(k);
  found.stride = static_cast<size_t>(s);
  return found;
}

Operation FindMean(const Primitive *primitive, const Tensors &inputs, const Shape &output, const Kernels &) {
  constexpr int GLOBAL = 6, ACTIVATION = 7;
  if (IsActivated(primitive, ACTIVATION) || !Attribute(primitive, GLOBAL) || inputs.size() != 1 || output.size() != 4) {
    return {};
  }
  const Shape &from = inputs[0].Shape();
  return {from.size() == 4 && output == Shape{from[0], 1, 1, from[3]} ? Operation::MEAN : Operation::NONE};
}

Operation FindConvolution(const Primitive *primitive, const Tensors &inputs, const Shape &output,
                          const Kernels &kernels) {
  constexpr int KERNEL = 1, STRIDE = 2, DILATION = 3, MODE = 4, PADDING = 5, ACTIVATION = 10;
  constexpr int EXPLICIT = 0;  // of padding's modes
  const Shape kernel = Integers(primitive, KERNEL), stride = Integers(primitive, STRIDE);
  const auto activation = FindActivation(primitive, ACTIVATION);
  if (!activation.has_value() || kernel.size() != 2 || stride.size() != 2) return {};
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
  Operation found{Operation::NONE, *activation};
  // A kernel with one input channel per output channel: depthwise, if the number of channels stays the same.
  if (const auto weights = Constant(inputs[1], {channels, k, k, 1});
      weights != nullptr && outputs == channels && Depthwise::Covers(k, s)) {
    found.kind = Operation::DEPTHWISE;
    found.depthwise =
        std::make_shared<const Depthwise>(kernels, k, s, channels, static_cast<const float *>(weights.get()), b);
  } else if (const auto all = Constant(inputs[1], {outputs, k, k, channels}); all != nullptr) {
    found.kind = Operation::CONVOLUTION;
    found.convolution =
        std::make_shared<const Convolution>(kernels, k, s, channels, outputs, static_cast<const float *>(all.get()), b);
  }
  return found;
}

Operation FindMatrix(const Primitive *primitive, const Tensors &inputs, const Shape &output, const Kernels &kernels) {
  constexpr int TRANSPOSE_A = 0, TRANSPOSE_B = 1, ACTIVATION = 2;
  if (Attribute(primitive, TRANSPOSE_A) || !Attribute(primitive, TRANSPOSE_B) || IsActivated(primitive, ACTIVATION) ||
      inputs.size() < 2 || inputs.size() > 3 || inputs[0].Shape().size() != 2 || output.size() != 2) {
    return {};
  }
  const auto weights = Constant(inputs[1], {output[1], inputs[0].Shape()[1]});
  const auto bias = inputs.size() == 3 ? Constant(inputs[2], {output[1]}) : nullptr;
  if (weights == nullptr || (inputs.size() == 3 && bias == nullptr)) return {};
  Operation found{Operation::CONVOLUTION};
  found.convolution = std::make_shared<const Convolution>(kernels, 1, 1, inputs[0].Shape()[1], output[1],
                                                          static_cast<const float *>(weights.get()),
                                                          static_cast<const float *>(bias.get()));
  return found;
}

// Whether two shapes are equal except for sides of 1.
bool SameOrder(Shape a, Shape b) {
  for (Shape *shape : {&a, &b}) shape->erase(std::remove(shape->begin() + 1, shape->end(), 1), shape->end());
  return a == b;
}

Operation FindReshaping(const Primitive *, const Tensors &inputs, const Shape &output, const Kernels &) {
  return {SameOrder(inputs[0].Shape(), output) ? Operation::COPY : Operation::NONE};
}

Operation FindTransposition(const Primitive *, const Tensors &inputs, const Shape &output, const Kernels &) {
  const Shape &from = inputs[0].Shape();
  if (inputs.size() != 2 || from.size() != 4 || output.size() != 4) return {};
  const auto order = ConstantIntegers(inputs[1], {4});
  if (order.empty() || order[0] != 0) return {};
  if (from[1] * from[2] * from[3] == std::max({from[1], from[2], from[3]})) return {Operation::COPY};
  return {order[1] == 2 && order[2] == 3 && order[3] == 1 ? Operation::TO_CHANNELS_LAST : Operation::NONE};
}

struct Type {
  PrimitiveType type;
  Operation (*find)(const Primitive *, const Tensors &inputs, const Shape &output, const Kernels &);
};
constexpr Type TYPES[] = {{mindspore::schema::PrimitiveType_Activation, FindAffine},
                          {mindspore::schema::PrimitiveType_AddFusion, FindSum},
                          {mindspore::schema::PrimitiveType_AvgPoolFusion, FindMean},
                          {mindspore::schema::PrimitiveType_Concat, FindConcatenation},
                          {mindspore::schema::PrimitiveType_Conv2DFusion, FindConvolution},
                          {mindspore::schema::PrimitiveType_Flatten, FindReshaping},
                          {mindspore::schema::PrimitiveType_MatMulFusion, FindMatrix},
                          {mindspore::schema::PrimitiveType_MaxPoolFusion, FindMaximum},
                          {mindspore::schema::PrimitiveType_MulFusion, FindProduct},
                          {mindspore::schema::PrimitiveType_PadFusion, FindPadding},
                          {mindspore::schema::PrimitiveType_Reshape, FindReshaping},
                          {mindspore::schema::PrimitiveType_Transpose, FindTransposition}};

Operation Find(PrimitiveType type, const Primitive *primitive, const Tensors &inputs, const Tensors &outputs,
               const Kernels &kernels) {
  if (inputs.empty() || outputs.size() != 1 || !IsComputed(inputs[0]) || !IsComputed(outputs[0])) return {};
  for (const Type &one : TYPES) {
    if (one.type != type) continue;
    const Operation found = one.find(primitive, inputs, outputs[0].Shape(), kernels);
    const bool computed = std::all_of(inputs.begin(), inputs.begin() + found.computed(), IsComputed);
    return computed ? found : Operation();
  }
  return {};
}

std::atomic<int> networks{0};

}  // namespace

struct Reader::State {
  const std::string provider = "tinynets" + std::to_string(networks++);
  const Kernels &kernels;
  std::vector<Node> nodes;

  explicit State(const Kernels &kernels) : kernels(kernels) {}

  void Add(PrimitiveType type, const Tensors &inputs, const Tensors &outputs, const Primitive *primitive) {
    Node node;
    node.operation = Find(type, primitive, inputs, outputs, kernels);
    if (node.operation.kind != Operation::NONE) {
      for (size_t i = 0; i < node.operation.computed(); i++) node.inputs.push_back(inputs[i].Name());
      node.output = outputs[0].Name();
      node.from = inputs[0].Shape();
      node.to = outputs[0].Shape();
    }
    nodes.push_back(std::move(node));
  }
};

Reader::Reader(const Kernels &kernels) {
  const auto state = std::make_shared<State>(kernels);  // the library keeps it until the program ends
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
  while (take(type)) type++;  // all existing types
  if (type > mindspore::schema::PrimitiveType_Transpose) state_ = state;
}

const char *Reader::provider() const { return state_ == nullptr ? "" : state_->provider.c_str(); }

std::vector<Node> Reader::Take() {
  std::vector<Node> nodes;
  if (state_ != nullptr) nodes.swap(state_->nodes);
  return nodes;
}

}  // namespace tinynets
