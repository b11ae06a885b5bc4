#pragma once

#include <vector>

#include "mindir.h"
#include "operation.h"

namespace tinynets {

// The operators of a MINDIR's graph in the order in which they run, on channels-last maps; only those that its output
// depends on. Throws UserError that names the operator and its place for one that the kernels do not cover.
std::vector<Node> FindOperators(const Kernels &kernels, const Mindir &mindir);

}  // namespace tinynets
