#include "probe.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "error.h"

namespace tinynets {

void CheckProbe(const Network &network, const Probe &probe, const std::string &model) {
  constexpr float TOLERANCE = 1e-3f;  // of the largest logit; correct logits differ far less
  std::vector<float> image(network.inputs()), logits(network.outputs());
  std::mt19937 random(probe.seed);
  for (float &value : image) value = static_cast<float>(random()) / 0x1p31f - 1;
  Network::Memory memory;
  network.Run(image.data(), 1, logits.data(), &memory);
  float largest = 0;
  for (const float logit : probe.logits) largest = std::max(largest, std::abs(logit));
  for (size_t i = 0; i < logits.size(); i++) {
    if (!(std::abs(probe.logits[i] - logits[i]) <= TOLERANCE * largest)) {  // NaN is a difference
      throw UserError(model + ": gives other logits than export.py wrote into its manifest; export it again");
    }
  }
}

}  // namespace tinynets
