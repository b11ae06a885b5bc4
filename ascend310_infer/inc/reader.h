#pragma once

#include <memory>
#include <vector>

#include "operation.h"

namespace tinynets {

// Reads the operators of a network as MindSpore Lite builds it: the library offers every operator to those who
// registered a kernel for it, with its attributes and weights. None is taken.
class Reader {
 public:
#ifdef OWN_KERNELS
  explicit Reader(const Kernels &kernels);

  // The name by which the network's context asks us; empty where this library offers nothing.
  const char *provider() const;

  // Hands over the operators of the network that was built since, in the order in which they run.
  std::vector<Node> Take();

 private:
  struct State;
  std::shared_ptr<State> state_;
#else  // built for a MindSpore Lite that was not tried
  explicit Reader(const Kernels &) {}
  const char *provider() const { return ""; }
  std::vector<Node> Take() { return {}; }
#endif
};

}  // namespace tinynets
