#pragma once

#include <string>

namespace tinynets {

struct Arguments {
  std::string model;
  std::string manifest;  // default: <model>.json
  std::string images;
  std::string device = "cpu";
  int device_id = 0;
  std::string precision = "preferred_fp32";  // Ascend's precision mode
  std::string kernels = "best";
  int threads = 1;  // of one worker
  int workers = 1;
  int batch = 1;
  int topk = 1;
  int repeat = 1;
  int warmup = 10;
  std::string labels;
  std::string output;
  bool logits = false;
  bool calls = false;
  bool force = false;
  bool check = false;
  bool help = false;
};

extern const char *const USAGE;

// Throws UserError for an unknown option or a value out of range.
Arguments ParseArguments(int argc, char **argv);

}  // namespace tinynets
