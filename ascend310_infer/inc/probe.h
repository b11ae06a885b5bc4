#pragma once

#include <string>

#include "manifest.h"
#include "network.h"

namespace tinynets {

// Throws UserError if a network's logits of the probe's image, whose numbers from -1 to 1 follow from its seed, are not
// the probe's to a thousandth of the largest: then the kernels or the file are wrong.
void CheckProbe(const Network &network, const Probe &probe, const std::string &model);

}  // namespace tinynets
