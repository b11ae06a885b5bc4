#include "simplify.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>

namespace tinynets {
namespace {

constexpr float NEAR = 1e-7f;  // of a sixth, as exporters round it

bool IsShift(const Operation &one) {  // relu6(x + 3)
  return one.kind == Operation::AFFINE && one.scale == 1 && one.shift == 3 && one.activation == Activation::RELU6;
}

bool IsSixth(const Operation &one) {
  return one.kind == Operation::AFFINE && std::abs(one.scale - 1.f / 6) < NEAR && one.shift == 0 &&
         one.activation == Activation::NONE;
}

}  // namespace

std::vector<Node> Simplify(const std::vector<Node> &nodes) {
  std::map<std::string, std::vector<const Node *>> readers;
  for (const Node &node : nodes) {
    for (const std::string &name : node.inputs) readers[name].push_back(&node);
  }
  const auto only = [&](const Node &node) {  // the only reader of its output, if there is just one
    const auto &found = readers[node.output];
    return found.size() == 1 ? found[0] : nullptr;
  };
  std::set<const Node *> done;
  std::vector<Node> simple;
  for (const Node &node : nodes) {
    if (done.count(&node)) continue;
    simple.push_back(node);
    const Node *const product = IsShift(node.operation) ? only(node) : nullptr;
    if (product == nullptr || product->operation.kind != Operation::MULTIPLY) continue;
    const bool own = std::count(product->inputs.begin(), product->inputs.end(), node.inputs[0]) == 1;  // x
    const Node *const sixth = own ? only(*product) : nullptr;
    if (sixth == nullptr || !IsSixth(sixth->operation)) continue;
    done.insert({product, sixth});
    simple.back().operation.shift = 0;
    simple.back().operation.activation = Activation::HARD_SWISH;
    simple.back().output = sixth->output;
  }
  return simple;
}

}  // namespace tinynets
