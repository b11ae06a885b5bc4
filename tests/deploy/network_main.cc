// Networks in, logits out, by the kernels that the argument names. A network is six int32: how many operators, images,
// threads, and a side, a side and channels of the input; then its operators, each nine int32: what (an
// Operation::Kind), which tensors it reads (0 the input, i what operator i made, counted from 1; the second -1 where
// there is none), kernel, stride, activation and the output's three sides; and, as float32, scale and shift, and a
// convolution's weights and bias; then the images. Out come how many operators the network has, 0 where it is refused,
// and the logits of one thread and those of a team, all float32.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "network.h"

using namespace tinynets;

namespace {

void Read(void *to, size_t size, size_t count) {
  if (std::fread(to, size, count, stdin) != count) std::exit(1);
}

std::vector<float> Floats32(size_t count) {
  std::vector<float> values(count);
  Read(values.data(), sizeof(float), count);
  return values;
}

void Write(const std::vector<float> &values) { std::fwrite(values.data(), sizeof(float), values.size(), stdout); }

}  // namespace

int main(int, char **argv) {
  const Kernels *const found = FindKernels(argv[1] == nullptr ? "" : argv[1]);
  if (found == nullptr) return 3;
  const Kernels &kernels = *found;
  int32_t n[6];
  while (std::fread(n, sizeof n, 1, stdin) == 1) {
    const size_t operators = n[0], images = n[1], threads = n[2];
    std::vector<Node> nodes(operators);
    std::vector<Shape> shapes(1 + operators, {1, n[3], n[4], n[5]});
    for (size_t i = 0; i < operators; i++) {
      int32_t head[9];
      float factors[2];
      Read(head, sizeof head, 1);
      Read(factors, sizeof factors, 1);
      Node &node = nodes[i];
      Operation &operation = node.operation;
      operation.kind = static_cast<Operation::Kind>(head[0]);
      operation.activation = static_cast<Activation>(head[5]);
      operation.scale = factors[0];
      operation.shift = factors[1];
      for (size_t k = 0; k < operation.computed(); k++) node.inputs.push_back(std::to_string(head[1 + k]));
      node.output = std::to_string(i + 1);
      node.from = shapes[head[1]];
      node.to = shapes[i + 1] = {1, head[6], head[7], head[8]};
      const size_t kernel = head[3], stride = head[4], inputs = node.from[3], outputs = node.to[3];
      operation.kernel = kernel;
      operation.stride = stride;
      if (operation.kind == Operation::CONVOLUTION) {
        const auto weights = Floats32(outputs * kernel * kernel * inputs), bias = Floats32(outputs);
        operation.convolution =
            std::make_shared<const Convolution>(kernels, kernel, stride, inputs, outputs, weights.data(), bias.data());
      } else if (operation.kind == Operation::DEPTHWISE) {
        const auto weights = Floats32(outputs * kernel * kernel), bias = Floats32(outputs);
        operation.depthwise =
            std::make_shared<const Depthwise>(kernels, kernel, stride, outputs, weights.data(), bias.data());
      }
    }
    const auto x = Floats32(images * n[3] * n[4] * n[5]);
    const auto network = Network::Make(kernels, nodes);
    Write({network == nullptr ? 0.f : static_cast<float>(network->operators())});
    if (network == nullptr) continue;
    std::vector<float> logits(images * network->outputs()), shared(logits.size());
    Network::Memory alone, together;
    network->Run(x.data(), images, logits.data(), &alone);
    Write(logits);
    Team team(threads);
    network->Run(x.data(), images, shared.data(), &together, &team);
    Write(shared);
  }
}
