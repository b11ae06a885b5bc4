#include "operators.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include "error.h"

namespace tinynets {
namespace {

constexpr int64_t LARGEST = int64_t{1} << 28;  // values of a map
constexpr int64_t WIDEST = 1 << 16;            // strides and padding
constexpr size_t SHOWN = 120;                  // characters of a place

using Floats32 = std::vector<float>;

// Turns the operators of a graph into nodes, one after another.
class Translator {
 public:
  Translator(const Kernels &kernels, const Mindir &mindir) : kernels_(kernels), mindir_(mindir) {
    for (const Call &call : mindir.calls) {
      if (call.type == "Load" && !call.inputs.empty()) names_[call.output] = call.inputs[0];
      for (const std::string &input : call.inputs) readers_[input].push_back(&call);
    }
  }

  std::vector<Node> Translate() {
    if (mindir_.inputs.size() != 1 || mindir_.outputs.size() != 1) {
      throw UserError(mindir_.path + ": has " + std::to_string(mindir_.inputs.size()) + " inputs and " +
                      std::to_string(mindir_.outputs.size()) + " outputs; an exported network has one of each");
    }
    const Shape &shape = mindir_.shape;
    if (shape.size() != 4 || shape[0] != 1) throw UserError(mindir_.path + ": its input is not one image");
    first_ = mindir_.inputs[0];
    Node node;
    node.operation.kind = Operation::TO_CHANNELS_LAST;
    node.inputs = {first_};
    node.output = first_ + " in channels last";  // no name of a file has blanks
    node.from = shape;
    node.to = {1, shape[2], shape[3], shape[1]};
    CheckSize(shape, "its input");
    Add(std::move(node));
    names_[first_] = nodes_[0].output;
    for (const Call &call : mindir_.calls) Translate(call);
    return Needed(Resolve(mindir_.outputs[0]));
  }

 private:
  using Find = Node (Translator::*)(const Call &);

  void Translate(const Call &call) {
    static const std::map<std::string, Find> TYPES = {
        {"Add", &Translator::Sum},         {"BiasAdd", &Translator::Bias},   {"Concat", &Translator::Concatenation},
        {"Conv2D", &Translator::Convolve}, {"MatMul", &Translator::Matrix},  {"MaxPool", &Translator::Maximum},
        {"Mul", &Translator::Multiply},    {"Muls", &Translator::Multiply},  {"Pad", &Translator::Padding},
        {"ReLU", &Translator::Activate},   {"ReLU6", &Translator::Activate}, {"ReduceMean", &Translator::Mean},
        {"Reshape", &Translator::Reshape}, {"SiLU", &Translator::Activate},  {"Sigmoid", &Translator::Activate}};
    if (call.type == "Load" || call.type == "UpdateState" || done_.count(&call)) return;
    if (call.type == "MakeTuple") {
      tuples_[call.output] = call.inputs;
      return;
    }
    if (call.type == "Depend") {
      if (call.inputs.empty()) Refuse(call, "has no input");
      names_[call.output] = Resolve(call.inputs[0]);
      return;
    }
    const auto type = TYPES.find(call.type);
    if (type == TYPES.end()) Refuse(call, "is an operator that this program does not know");
    Node node = (this->*type->second)(call);
    if (node.output.empty()) node.output = call.output;
    CheckSize(node.to, call.type + " (" + call.place.substr(0, SHOWN) + ")");
    Add(std::move(node));
  }

  void Add(Node node) {
    if (!shapes_.emplace(node.output, node.to).second) {
      throw UserError(mindir_.path + ": damaged: two operators write " + node.output);
    }
    nodes_.push_back(std::move(node));
  }

  [[noreturn]] void Refuse(const Call &call, const std::string &why) const {
    throw UserError(mindir_.path + ": " + call.type + " (" + call.place.substr(0, SHOWN) + ") " + why);
  }

  void CheckSize(const Shape &shape, const std::string &what) const {
    int64_t size = 1;
    for (const int64_t side : shape) {
      if (side < 1 || size > LARGEST / side)
        throw UserError(mindir_.path + ": " + what + " has too large a map, or none");
      size *= side;
    }
  }

  // The name by which a tensor is known.
  std::string Resolve(const std::string &name) const {
    const auto found = names_.find(name);
    return found == names_.end() ? name : found->second;
  }

  // The shape of an input that the network computes.
  const Shape &From(const Call &call, size_t i = 0) const {
    const auto found = i < call.inputs.size() ? shapes_.find(Resolve(call.inputs[i])) : shapes_.end();
    if (found == shapes_.end()) Refuse(call, "reads something that is not computed before it");
    return found->second;
  }

  bool IsComputed(const Call &call, size_t i) const {
    return i < call.inputs.size() && shapes_.count(Resolve(call.inputs[i])) != 0;
  }

  // A constant or parameter; null if there is none.
  const Value *Constant(const Call &call, size_t i) const {
    const auto found = i < call.inputs.size() ? mindir_.values.find(Resolve(call.inputs[i])) : mindir_.values.end();
    return found == mindir_.values.end() ? nullptr : &found->second;
  }

  std::optional<float> Scalar(const Call &call, size_t i) const {
    const Value *const value = Constant(call, i);
    if (value == nullptr) return std::nullopt;
    if (value->kind == Value::REAL) return static_cast<float>(value->real);
    if (value->kind == Value::INTEGER) return static_cast<float>(value->integer);
    if (value->kind != Value::TENSOR || value->floats.size() != sizeof(float)) return std::nullopt;
    float scalar;
    std::memcpy(&scalar, value->floats.data(), sizeof scalar);
    return scalar;
  }

  bool Flag(const Call &call, size_t i) const {
    const Value *const value = Constant(call, i);
    if (value == nullptr || value->kind != Value::INTEGER) Refuse(call, "lacks an argument");
    return value->integer != 0;
  }

  // The integers of a list, or nothing if it is another value.
  static std::vector<int64_t> Integers(const Value &value) {
    std::vector<int64_t> found;
    for (const Value &one : value.list) {
      if (one.kind != Value::INTEGER) return {};
      found.push_back(one.integer);
    }
    return found;
  }

  std::vector<int64_t> Integers(const Call &call, const std::string &key) const {
    const auto found = call.attributes.find(key);
    return found == call.attributes.end() ? std::vector<int64_t>() : Integers(found->second);
  }

  Value Attribute(const Call &call, const std::string &key) const {
    const auto found = call.attributes.find(key);
    return found == call.attributes.end() ? Value() : found->second;
  }

  const Value &Weights(const Call &call, size_t i) const {
    const Value *const value = Constant(call, i);
    if (value == nullptr || value->kind != Value::TENSOR || value->floats.empty()) {
      Refuse(call, "has no float32 weights in the file");
    }
    return *value;
  }

  static Floats32 Copy(const Value &weights) {
    Floats32 copy(weights.floats.size() / sizeof(float));
    std::memcpy(copy.data(), weights.floats.data(), weights.floats.size());
    return copy;
  }

  Node Start(const Call &call, Operation::Kind kind, const Shape &to) const {
    Node node;
    node.operation.kind = kind;
    node.inputs = {Resolve(call.inputs[0])};
    node.from = From(call);
    node.to = to;
    return node;
  }

  // The bias that the only reader of a call's output adds, which is then done; the node gets its output.
  Floats32 TakeBias(const Call &call, int64_t outputs, Node *node) {
    const auto &readers = readers_[call.output];
    if (readers.size() != 1 || readers[0]->type != "BiasAdd" || readers[0]->inputs.empty() ||
        readers[0]->inputs[0] != call.output) {
      return {};
    }
    const Value &bias = Weights(*readers[0], 1);
    if (bias.shape != Shape{outputs}) Refuse(*readers[0], "has a bias of another size");
    done_.insert(readers[0]);
    node->output = readers[0]->output;
    return Copy(bias);
  }

  Node Bias(const Call &call) { Refuse(call, "is not after a convolution or a product, whose only reader it is"); }

  Node Activate(const Call &call) {
    static const std::map<std::string, Activation> KINDS = {{"ReLU", Activation::RELU},
                                                            {"ReLU6", Activation::RELU6},
                                                            {"SiLU", Activation::SILU},
                                                            {"Sigmoid", Activation::SIGMOID}};
    Node node = Start(call, Operation::AFFINE, From(call));
    node.operation.activation = KINDS.at(call.type);
    return node;
  }

  Node Sum(const Call &call) {
    Node node = Start(call, Operation::AFFINE, From(call));
    if (const auto shift = Scalar(call, 1)) {
      node.operation.shift = *shift;
      return node;
    }
    if (From(call, 1) != node.from) Refuse(call, "adds maps of two shapes");
    node.operation.kind = Operation::ADD;
    node.inputs.push_back(Resolve(call.inputs[1]));
    return node;
  }

  Node Multiply(const Call &call) {
    if (const auto scale = Scalar(call, 1)) {
      Node node = Start(call, Operation::AFFINE, From(call));
      node.operation.scale = *scale;
      return node;
    }
    const Shape &one = From(call), &other = From(call, 1);
    const auto gates = [](const Shape &map, const Shape &gate) {
      return map.size() == 4 && gate == Shape{map[0], 1, 1, map[3]};
    };
    Node node = Start(call, one == other ? Operation::MULTIPLY : Operation::GATE, one);
    node.inputs.push_back(Resolve(call.inputs[1]));
    if (one != other && !gates(one, other)) {
      if (!gates(other, one)) Refuse(call, "multiplies maps of two shapes");
      std::swap(node.inputs[0], node.inputs[1]);
      node.from = node.to = other;
    }
    return node;
  }

  Node Concatenation(const Call &call) {
    const auto found = call.inputs.empty() ? tuples_.end() : tuples_.find(call.inputs[0]);
    const Value *const axis = Constant(call, 1);
    if (found == tuples_.end() || found->second.size() != 2 || axis == nullptr || axis->integer != 1) {
      Refuse(call, "does not join the channels of two maps");
    }
    Call parts = call;
    parts.inputs = found->second;
    const Shape &first = From(parts), &second = From(parts, 1);
    if (first.size() != 4 || second.size() != 4 || !std::equal(first.begin(), first.end() - 1, second.begin())) {
      Refuse(call, "joins maps of two sizes");
    }
    Node node = Start(parts, Operation::CONCATENATE, {first[0], first[1], first[2], first[3] + second[3]});
    node.inputs.push_back(Resolve(parts.inputs[1]));
    return node;
  }

  Node Mean(const Call &call) {
    const Shape &from = From(call);
    const Value *const axes = Constant(call, 1);
    std::vector<int64_t> over = axes == nullptr ? std::vector<int64_t>() : Integers(*axes);
    for (int64_t &axis : over) axis += axis < 0 ? 4 : 0;
    if (from.size() != 4 || over != std::vector<int64_t>{2, 3}) Refuse(call, "is not over the pixels of a map");
    const bool keeps = Flag(call, 2);
    return Start(call, Operation::MEAN, keeps ? Shape{1, 1, 1, from[3]} : Shape{1, from[3]});
  }

  Node Reshape(const Call &call) {
    const Shape &from = From(call);
    const Value *const wanted = Constant(call, 1);
    Shape to = wanted == nullptr ? Shape() : Integers(*wanted);
    const int64_t channels = from.back();
    const bool vector = std::all_of(from.begin(), from.end() - 1, [](int64_t side) { return side == 1; });
    if (!to.empty() && to[0] == -1) to[0] = 1;
    if (!to.empty() && to.back() == -1) to.back() = channels;
    if (vector && to == Shape{1, channels}) return Start(call, Operation::COPY, to);
    if (vector && to == Shape{1, channels, 1, 1}) return Start(call, Operation::COPY, {1, 1, 1, channels});
    Refuse(call, "changes the order of values");
  }

  Node Padding(const Call &call) {
    const Shape &from = From(call);
    const Value sides = Attribute(call, "paddings");
    std::vector<int64_t> all;
    for (const Value &pair : sides.list) {
      const auto two = Integers(pair);
      all.insert(all.end(), two.begin(), two.end());
    }
    const int64_t by = all.size() == 8 ? all[4] : -1;
    if (from.size() != 4 || by < 0 || by > WIDEST || all != std::vector<int64_t>{0, 0, 0, 0, by, by, by, by}) {
      Refuse(call, "does not pad all sides of a map by the same number of pixels");
    }
    return Start(call, Operation::PAD, {1, from[1] + 2 * by, from[2] + 2 * by, from[3]});
  }

  // The number of a list {1, 1, n, n} or {n, n}, -1 for another list.
  static int64_t Square(const std::vector<int64_t> &sides) {
    const size_t size = sides.size();
    if ((size != 2 && size != 4) || sides[size - 1] != sides[size - 2]) return -1;
    if (size == 4 && (sides[0] != 1 || sides[1] != 1)) return -1;
    const int64_t side = sides[size - 1];
    return side >= 1 && side <= WIDEST ? side : -1;
  }

  Node Maximum(const Call &call) {
    const Shape &from = From(call);
    const int64_t kernel = Square(Integers(call, "kernel_size")), stride = Square(Integers(call, "strides"));
    if (from.size() != 4 || kernel < 1 || stride < 1 || Attribute(call, "pad_mode").text != "VALID" ||
        from[1] < kernel || from[2] < kernel) {
      Refuse(call, "is not over squares within a map");
    }
    Node node =
        Start(call, Operation::LARGEST, {1, (from[1] - kernel) / stride + 1, (from[2] - kernel) / stride + 1, from[3]});
    node.operation.kernel = static_cast<size_t>(kernel);
    node.operation.stride = static_cast<size_t>(stride);
    return node;
  }

  Node Convolve(const Call &call) {
    const Shape &from = From(call);
    const Value &weights = Weights(call, 1);
    const int64_t stride = Square(Integers(call, "stride")), dilation = Square(Integers(call, "dilation"));
    if (from.size() != 4 || weights.shape.size() != 4 || stride < 1 || dilation != 1) {
      Refuse(call, "has a stride, dilation or shape that is not supported");
    }
    const int64_t channels = from[3], outputs = weights.shape[0], kernel = weights.shape[2];
    const int64_t groups = Attribute(call, "group").integer;
    const auto padding = Integers(call, "pad_list").empty() ? Integers(call, "pad") : Integers(call, "pad_list");
    const bool padded = padding == Shape(4, kernel / 2) && (kernel == 1 || Attribute(call, "pad_mode").text == "pad");
    if (kernel % 2 != 1 || weights.shape[3] != kernel || !padded || channels < 1 || groups < 1 ||
        weights.shape[1] * groups != channels || Attribute(call, "format").text != "NCHW") {
      Refuse(call, "has a kernel, padding or number of channels that is not supported");
    }
    Node node =
        Start(call, Operation::CONVOLUTION, {1, (from[1] - 1) / stride + 1, (from[2] - 1) / stride + 1, outputs});
    const Floats32 all = Copy(weights), bias = TakeBias(call, outputs, &node);
    const float *const b = bias.empty() ? nullptr : bias.data();
    if (groups == channels && outputs == channels && Depthwise::Covers(kernel, stride)) {
      node.operation.kind = Operation::DEPTHWISE;
      node.operation.depthwise = std::make_shared<const Depthwise>(kernels_, kernel, stride, channels, all.data(), b);
      return node;
    }
    if (groups != 1) Refuse(call, "has groups of channels that are not supported");
    Floats32 last(all.size());  // (outputs, kernel, kernel, channels) of (outputs, channels, kernel, kernel)
    const auto pixels = static_cast<size_t>(kernel * kernel), inputs = static_cast<size_t>(channels);
    for (size_t o = 0; o < static_cast<size_t>(outputs); o++) {
      for (size_t c = 0; c < inputs; c++) {
        for (size_t p = 0; p < pixels; p++) last[(o * pixels + p) * inputs + c] = all[(o * inputs + c) * pixels + p];
      }
    }
    node.operation.convolution =
        std::make_shared<const Convolution>(kernels_, kernel, stride, channels, outputs, last.data(), b);
    return node;
  }

  Node Matrix(const Call &call) {
    const Shape &from = From(call);
    const Value &weights = Weights(call, 1);
    if (from.size() != 2 || weights.shape.size() != 2 || Flag(call, 2) || !Flag(call, 3) ||
        weights.shape[1] != from[1]) {
      Refuse(call, "is not by the transpose of a matrix of weights");
    }
    const int64_t outputs = weights.shape[0];
    Node node = Start(call, Operation::CONVOLUTION, {1, outputs});
    const Floats32 all = Copy(weights), bias = TakeBias(call, outputs, &node);
    node.operation.convolution = std::make_shared<const Convolution>(kernels_, 1, 1, from[1], outputs, all.data(),
                                                                     bias.empty() ? nullptr : bias.data());
    return node;
  }

  // The nodes that a tensor depends on.
  std::vector<Node> Needed(const std::string &output) const {
    std::set<std::string> needed = {output};
    std::vector<Node> found;
    for (auto node = nodes_.rbegin(); node != nodes_.rend(); ++node) {
      if (needed.count(node->output) == 0) continue;
      needed.insert(node->inputs.begin(), node->inputs.end());
      found.push_back(*node);
    }
    if (needed.count(first_) == 0) throw UserError(mindir_.path + ": its output does not depend on its input");
    std::reverse(found.begin(), found.end());
    return found;
  }

  const Kernels &kernels_;
  const Mindir &mindir_;
  std::string first_;                                         // the graph's input
  std::map<std::string, std::string> names_;                  // of tensors that are others' under another name
  std::map<std::string, std::vector<const Call *>> readers_;  // of a tensor
  std::map<std::string, std::vector<std::string>> tuples_;
  std::set<const Call *> done_;          // as a part of another
  std::map<std::string, Shape> shapes_;  // of computed tensors
  std::vector<Node> nodes_;
};

}  // namespace

std::vector<Node> FindOperators(const Kernels &kernels, const Mindir &mindir) {
  return Translator(kernels, mindir).Translate();
}

}  // namespace tinynets
