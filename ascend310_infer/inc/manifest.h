#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tinynets {

// An image and the logits that the network must give for it: export.py computed them.
struct Probe {
  uint32_t seed = 0;
  std::vector<float> logits;  // empty in manifests of earlier releases
};

// The manifest that export.py writes next to a model: classes and preprocessing.
struct Manifest {
  std::string network;
  std::string input;  // its name
  std::vector<std::string> class_names;
  int channels = 3;  // 1: grey
  int resolution = 0;
  double crop_ratio = 0;
  float mean[3] = {};
  float deviation[3] = {};
  Probe probe;
};

// Throws UserError if the file is missing, damaged, of another format or asks for something this program does not
// support, or if it names `model` but describes another file.
Manifest ReadManifest(const std::string &path, const std::string &model = "");

// Writes the manifest at `from` to `<model>.json` for `model`, a conversion of its model. Throws UserError.
void PassOnManifest(const std::string &from, const std::string &model);

}  // namespace tinynets
