#pragma once

#include <memory>
#include <vector>

#include "operation.h"

namespace tinynets {

// Reads the operators of a network while MindSpore Lite builds it: the library offers every operator, with attributes
// and weights, to registered kernels. All offers are declined.
class Reader {
 public:
#ifdef OWN_KERNELS
  explicit Reader(const Kernels &kernels);

  // The provider's name for the network's context; empty if this library does not offer operators.
  const char *provider() const;

  // Returns the operators of the network built since the last call, in the order in which they run.
  std::vector<Node> Take();

 private:
  struct State;
  std::shared_ptr<State> state_;
#else  // an untested release of MindSpore Lite
  explicit Reader(const Kernels &) {}
  const char *provider() const { return ""; }
  std::vector<Node> Take() { return {}; }
#endif
};

}  // namespace tinynets
