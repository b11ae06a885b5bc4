#include "network.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "simplify.h"

namespace tinynets {
namespace {

constexpr size_t INPUT = 0, OUTPUT = 1, NONE = static_cast<size_t>(-1);

using Makers = std::map<std::string, const Node *>;

// Whether an operator's inputs depend on a tensor, so that it exists when the operator runs.
bool Precedes(const Makers &makers, const std::string &tensor, const Node &node) {
  std::set<std::string> seen;
  std::vector<const Node *> left = {&node};
  while (!left.empty()) {
    const Node *const one = left.back();
    left.pop_back();
    for (const std::string &input : one->inputs) {
      if (input == tensor) return true;
      const auto maker = makers.find(input);
      if (seen.insert(input).second && maker != makers.end()) left.push_back(maker->second);
    }
  }
  return false;
}

}  // namespace

std::shared_ptr<const Network> Network::Make(const Kernels &kernels, const std::vector<Node> &nodes) {
  std::shared_ptr<Network> network(new Network());
  std::set<std::string> read, made, inputs;
  for (const Node &node : nodes) {
    for (const std::string &name : node.inputs) {
      read.insert(name);
      if (!made.count(name)) inputs.insert(name);
    }
    const bool early = inputs.count(node.output) != 0;  // it is read before it is made
    if (node.operation.kind == Operation::NONE || early || !made.insert(node.output).second) return nullptr;
  }
  std::vector<std::string> outputs;
  std::set_difference(made.begin(), made.end(), read.begin(), read.end(), std::back_inserter(outputs));
  if (inputs.size() != 1 || outputs.size() != 1) return nullptr;
  network->Fuse(kernels, Simplify(nodes));
  network->Plan(*inputs.begin(), outputs[0]);
  network->Count(nodes);
  return network;
}

void Network::Count(const std::vector<Node> &nodes) {
  operators_ = nodes.size();
  double all = 0, spatial = 0;
  for (const Node &node : nodes) {
    if (node.operation.kind != Operation::CONVOLUTION) continue;  // depthwise ones have few multiplications
    const Convolution &convolution = *node.operation.convolution;
    double work = static_cast<double>(convolution.weights());
    for (size_t side = 1; side + 1 < node.to.size(); side++) work *= static_cast<double>(node.to[side]);
    all += work;
    spatial += convolution.kernel() > 1 ? work : 0;
  }
  spatial_ = all > 0 ? spatial / all : 0;
}

void Network::Fuse(const Kernels &kernels, const std::vector<Node> &nodes) {
  Makers makers;
  std::map<std::string, std::vector<const Node *>> readers;
  for (const Node &node : nodes) {
    makers[node.output] = &node;
    for (const std::string &name : node.inputs) readers[name].push_back(&node);
  }
  std::set<const Node *> taken;
  for (const Node &node : nodes) {
    if (taken.count(&node)) continue;
    Step step(kernels, node);
    const auto known = [&](const std::string &tensor) { return Precedes(makers, tensor, node); };
    for (;;) {
      const auto &next = readers[step.output()];
      if (next.size() != 1 || !step.TakeOver(*next[0], known)) break;
      taken.insert(next[0]);
    }
    for (const Node *reader : readers[step.output()]) {
      if (!taken.count(reader) && step.TakeAlong(*reader)) taken.insert(reader);
    }
    steps_.push_back(std::move(step));
  }
}

void Network::Plan(const std::string &input, const std::string &output) {
  const auto heavy = std::find_if(steps_.begin(), steps_.end(), [](const Step &step) { return step.IsHeavy(); });
  split_ = static_cast<size_t>(heavy - steps_.begin());
  std::map<std::string, size_t> numbers = {{input, INPUT}, {output, OUTPUT}};
  tensors_.resize(2);
  const auto number = [&](const std::string &name) {
    const auto found = numbers.emplace(name, tensors_.size());
    if (found.second) tensors_.emplace_back();
    return found.first->second;
  };
  for (size_t s = 0; s < steps_.size(); s++) {
    Places places{{}, number(steps_[s].output()), NONE};
    for (const std::string &name : steps_[s].reads()) {
      places.reads.push_back(number(name));
      Tensor &tensor = tensors_[places.reads.back()];
      tensor.last = s;
      tensor.whole |= s >= split_;
    }
    tensors_[places.reads[0]].size = steps_[s].from();
    tensors_[places.output].size = steps_[s].to();
    tensors_[places.output].whole |= s >= split_;
    if (steps_[s].means() > 0) {
      places.mean = number(steps_[s].mean());
      tensors_[places.mean].size = steps_[s].means();
      tensors_[places.mean].whole |= s >= split_;
    }
    places_.push_back(std::move(places));
  }
  for (size_t s = 0; s < steps_.size(); s++) {
    Hold(places_[s].output);
    if (places_[s].mean != NONE) Hold(places_[s].mean);
    for (const size_t read : places_[s].reads) {
      if (read != INPUT && read != OUTPUT && tensors_[read].last == s) buffers_[tensors_[read].buffer].free = true;
    }
  }
}

// Assigns a tensor the free buffer with the nearest size, or a new one.
void Network::Hold(size_t number) {
  if (number == INPUT || number == OUTPUT) return;
  Tensor &tensor = tensors_[number];
  tensor.buffer = buffers_.size();
  size_t difference = NONE;
  for (size_t b = 0; b < buffers_.size(); b++) {
    const size_t size = buffers_[b].size, here = size > tensor.size ? size - tensor.size : tensor.size - size;
    if (!buffers_[b].free || buffers_[b].whole != tensor.whole || here >= difference) continue;
    tensor.buffer = b;
    difference = here;
  }
  if (tensor.buffer == buffers_.size()) buffers_.push_back({0, tensor.whole, true});
  Buffer &buffer = buffers_[tensor.buffer];
  buffer.size = std::max(buffer.size, tensor.size);
  buffer.free = false;
}

void Network::Prepare(const float *x, size_t batch, float *logits, size_t threads, Memory *memory) const {
  memory->buffers.resize(buffers_.size());
  memory->tensors.resize(tensors_.size());
  memory->scratch.resize(threads);
  for (size_t b = 0; b < buffers_.size(); b++) {
    Scratch::Room(&memory->buffers[b], buffers_[b].size * (buffers_[b].whole ? batch : 1));
  }
  memory->tensors[INPUT] = const_cast<float *>(x);  // no step writes to it
  memory->tensors[OUTPUT] = logits;
  for (size_t t = OUTPUT + 1; t < tensors_.size(); t++) {
    memory->tensors[t] = memory->buffers[tensors_[t].buffer].data();
  }
}

Step::Memory Network::Tensors(const Memory &memory, size_t step, size_t image) const {
  const auto at = [&](size_t number) {
    const bool whole = number == INPUT || number == OUTPUT || tensors_[number].whole;
    return memory.tensors[number] + (whole ? image * tensors_[number].size : 0);
  };
  const Places &places = places_[step];
  Step::Memory tensors;
  for (size_t i = 0; i < places.reads.size(); i++) tensors.read[i] = at(places.reads[i]);
  tensors.output = at(places.output);
  if (places.mean != NONE) tensors.mean = at(places.mean);
  return tensors;
}

void Network::Run(const float *x, size_t batch, float *logits, Memory *memory) const {
  Prepare(x, batch, logits, 1, memory);
  Scratch *const scratch = memory->scratch.data();
  for (size_t image = 0; image < batch; image++) {
    for (size_t s = 0; s < split_; s++) steps_[s].Run(Tensors(*memory, s, image), 1, {}, scratch);
  }
  for (size_t s = split_; s < steps_.size(); s++) steps_[s].Run(Tensors(*memory, s, 0), batch, {}, scratch);
}

void Network::Run(const float *x, size_t batch, float *logits, Memory *memory, Team *team) const {
  Prepare(x, batch, logits, team->size(), memory);
  for (size_t image = 0; image < batch; image++) {
    for (size_t s = 0; s < steps_.size(); s++) {
      const Step &step = steps_[s];
      const Step::Memory tensors = Tensors(*memory, s, image);
      if (!step.IsShared()) {
        step.Run(tensors, 1, {}, memory->scratch.data());
        continue;
      }
      team->Run([&](size_t part) { step.Run(tensors, 1, {part, team->size()}, &memory->scratch[part]); });
      if (tensors.mean != nullptr) step.Average(memory->scratch, tensors.mean);
    }
  }
}

}  // namespace tinynets
