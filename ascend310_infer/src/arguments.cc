#include "arguments.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <set>

#include "error.h"

namespace tinynets {

const char *const USAGE =
    R"(usage: tinynet_infer --model FILE.mindir --images DIR_OR_LIST [option...]

Classifies images with an exported network and reports how long each stage took.

  --model FILE       a MINDIR of export.py; for an Ascend one that MindSpore Lite reads
  --manifest FILE    the file that export.py wrote next to the exported one (default: --model's name with .json added)
  --images PATH      a folder, an image, or a text file with one path per line, relative to that file
  --device NAME      cpu or ascend (default: cpu)
  --device-id N      number of the Ascend (default: 0)
  --precision MODE   Ascend: enforce_fp32, preferred_fp32, enforce_fp16, enforce_origin, preferred_optimal
                     (default: preferred_fp32)
  --threads N        threads of one worker (default: 1)
  --workers N        networks that run in parallel, each on its own images (default: 1)
  --batch N          images per call (default: 1)
  --topk N           classes to name per image (default: 1)
  --labels CSV       lines of file,class, to report top-1 and top-5
  --repeat N         classify all images N times (default: 1)
  --warmup N         calls of each worker that are not measured, at the start (default: 10)
  --output FILE      write the report as JSON
  --logits           add the logits of every image to it
  --calls            add the milliseconds of every call to it
  --kernels NAME     cpu: avx512, avx2 or best, the fastest of this processor (default: best)
  --force            replace an existing output file
  --check            load the model and the manifest, compare its logits with the manifest's, and stop

Exit code: 0, 1 if an image could not be used, 2 with one line that says what to change.
)";

namespace {

int Whole(const std::string &option, const std::string &value, int low) {
  constexpr int HIGH = 1000000;
  char *end = nullptr;
  errno = 0;
  const long number = std::strtol(value.c_str(), &end, 10);
  if (value.empty() || *end != '\0' || errno != 0 || number < low || number > HIGH) {
    throw UserError(option + " '" + value + "': must be a whole number from " + std::to_string(low));
  }
  return static_cast<int>(number);
}

// Checks the output path before the work, which may take hours.
void CheckOutput(const std::string &path, bool force) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path folder = fs::absolute(path).parent_path();
  if (!fs::is_directory(folder, ignored)) throw UserError(path + ": no such folder");
  if (fs::is_directory(path, ignored)) throw UserError(path + ": is a folder");
  if (!force && fs::exists(path, ignored)) throw UserError(path + ": exists already; --force replaces it");
}

}  // namespace

Arguments ParseArguments(int argc, char **argv) {
  Arguments arguments;
  const std::map<std::string, std::string *> texts = {
      {"--model", &arguments.model},         {"--manifest", &arguments.manifest}, {"--images", &arguments.images},
      {"--device", &arguments.device},       {"--labels", &arguments.labels},     {"--output", &arguments.output},
      {"--precision", &arguments.precision}, {"--kernels", &arguments.kernels},
  };
  struct Number {
    int *value;
    int low;
  };
  const std::map<std::string, Number> numbers = {
      {"--device-id", {&arguments.device_id, 0}}, {"--threads", {&arguments.threads, 1}},
      {"--workers", {&arguments.workers, 1}},     {"--batch", {&arguments.batch, 1}},
      {"--topk", {&arguments.topk, 1}},           {"--repeat", {&arguments.repeat, 1}},
      {"--warmup", {&arguments.warmup, 0}},
  };
  const std::map<std::string, bool *> flags = {
      {"--logits", &arguments.logits}, {"--calls", &arguments.calls}, {"--force", &arguments.force},
      {"--check", &arguments.check},   {"--help", &arguments.help},   {"-h", &arguments.help},
  };
  for (int i = 1; i < argc; i++) {
    const std::string option = argv[i];
    if (flags.count(option)) {
      *flags.at(option) = true;
      continue;
    }
    if (!texts.count(option) && !numbers.count(option)) throw UserError(option + ": no such option; --help lists them");
    if (i + 1 == argc) throw UserError(option + ": needs a value");
    const std::string value = argv[++i];
    if (texts.count(option)) {
      *texts.at(option) = value;
    } else {
      *numbers.at(option).value = Whole(option, value, numbers.at(option).low);
    }
  }
  if (arguments.help) return arguments;
  if (arguments.model.empty()) throw UserError("--model is needed; --help lists the options");
  if (arguments.images.empty() && !arguments.check) throw UserError("--images is needed; --help lists the options");
  if (arguments.device != "cpu" && arguments.device != "ascend") {
    throw UserError("--device '" + arguments.device + "': must be cpu or ascend");
  }
  const std::set<std::string> kernels = {"best", "avx512", "avx2"};
  if (!kernels.count(arguments.kernels)) {
    throw UserError("--kernels '" + arguments.kernels + "': must be best, avx512 or avx2");
  }
  constexpr int MOST = 1024;
  if (arguments.threads > MOST || arguments.workers > MOST) {
    throw UserError("--threads and --workers: at most " + std::to_string(MOST));
  }
  if (arguments.manifest.empty()) arguments.manifest = arguments.model + ".json";
  if (!arguments.output.empty()) CheckOutput(arguments.output, arguments.force);
  return arguments;
}

}  // namespace tinynets
