#pragma once

#include <string>
#include <vector>

namespace tinynets {

// What export.py wrote beside the model: classes and preprocessing.
struct Manifest {
  std::string network;
  std::string input;  // its name
  std::vector<std::string> class_names;
  int channels = 3;  // 1: grey
  int resolution = 0;
  double crop_ratio = 0;
  float mean[3] = {};
  float deviation[3] = {};
};

// Throws UserError where the file is missing, damaged, of another format or asks for what this program does not do, and
// where it names `model` but describes another file than that.
Manifest ReadManifest(const std::string &path, const std::string &model = "");

// Writes the manifest at `from` as that of `model`, which was made of its model, to `<model>.json`. Throws UserError.
void PassOnManifest(const std::string &from, const std::string &model);

}  // namespace tinynets
