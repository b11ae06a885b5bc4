#pragma once

#include <vector>

#include "operation.h"

namespace tinynets {

// The same network, in which x relu6(x + 3) / 6 is one activation, hard swish, and not three operators.
std::vector<Node> Simplify(const std::vector<Node> &nodes);

}  // namespace tinynets
