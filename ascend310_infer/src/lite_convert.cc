// ONNX -> a MINDIR for MindSpore Lite, by the SDK's converter library: a release of Lite reads MINDIR files only of the
// same release of MindSpore, but ONNX files of any. Reads MODEL.onnx.json, and writes OUTPUT.mindir.json from it.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "error.h"
#include "include/api/status.h"
#include "include/api/types.h"
#include "include/registry/converter_context.h"
#include "library.h"
#include "manifest.h"
#include "printable.h"

#if __has_include("include/converter.h")
#include "include/converter.h"
#else
// The Python package has the documented class in its library but not in its headers.
namespace mindspore {
struct ConverterPara;
class Converter {
 public:
  Converter();
  void SetInputShape(const std::map<std::string, std::vector<int64_t> > &shapes) {
    SetInputShape(MapStringToChar(shapes));
  }
  void SetConfigInfo(const std::string &section, const std::map<std::string, std::string> &config) {
    SetConfigInfo(StringToChar(section), MapStringToVectorChar(config));
  }
  void SetSaveType(ModelType type);
  void SetNoFusion(bool no_fusion);
  void SetDevice(const std::string &device) { SetDevice(StringToChar(device)); }
  Status Convert(converter::FmkType framework, const std::string &model, const std::string &output) {
    return Convert(framework, StringToChar(model), StringToChar(output), {});
  }

 private:
  void SetInputShape(const std::map<std::vector<char>, std::vector<int64_t> > &shapes);
  void SetConfigInfo(const std::vector<char> &section, const std::map<std::vector<char>, std::vector<char> > &config);
  void SetDevice(const std::vector<char> &device);
  Status Convert(converter::FmkType framework, const std::vector<char> &model, const std::vector<char> &output,
                 const std::vector<char> &weights);

  std::shared_ptr<ConverterPara> data_;
};
}  // namespace mindspore
#endif

namespace {

namespace fs = std::filesystem;
using tinynets::UserError;

const char *const USAGE =
    "usage: lite_convert MODEL.onnx OUTPUT.mindir ascend [BATCH...]\n"
    "The model takes the first BATCH and is compiled when it is loaded; where CANN is set up\n"
    "(ASCEND_HOME_PATH) it is compiled now and takes each BATCH. Without a BATCH it is 1.\n";

std::vector<int64_t> Batches(int count, char **words) {
  std::vector<int64_t> batches;
  for (int i = 0; i < count; i++) {
    char *end = nullptr;
    const long batch = std::strtol(words[i], &end, 10);
    constexpr long MOST = 1000000;
    if (*words[i] == '\0' || *end != '\0' || batch < 1 || batch > MOST) {
      throw UserError(std::string("batch '") + words[i] + "': must be a whole number from 1");
    }
    if (std::find(batches.begin(), batches.end(), batch) == batches.end()) batches.push_back(batch);
  }
  if (batches.empty()) batches.push_back(1);
  return batches;
}

// The shapes that a model compiled for an Ascend accepts: it refuses a Resize to any other.
std::map<std::string, std::string> Profiles(const std::string &input, const std::string &sides,
                                            const std::vector<int64_t> &batches) {
  std::string listed;
  for (const int64_t batch : batches) listed += (listed.empty() ? "[" : ",[") + std::to_string(batch) + "]";
  return {{"input_shape", input + ":[-1," + sides + "]"}, {"dynamic_dims", listed}};
}

void Convert(const std::string &onnx, const std::string &output, const std::vector<int64_t> &batches) {
  const std::string ending = ".mindir";
  if (output.size() <= ending.size() || output.substr(output.size() - ending.size()) != ending) {
    throw UserError(output + ": must end in .mindir");
  }
  if (!fs::is_regular_file(onnx)) throw UserError(onnx + ": no such file");
  for (const auto &file : {output, output + ".json"}) {
    if (fs::exists(file)) throw UserError(file + ": exists already");
  }
  const auto manifest = tinynets::ReadManifest(onnx + ".json", onnx);
  const char *const cann = std::getenv("ASCEND_HOME_PATH");
  const bool compile = cann != nullptr && *cann != '\0';
  mindspore::Converter converter;
  converter.SetSaveType(mindspore::kMindIR);
  if (compile) {
    const std::string side = std::to_string(manifest.resolution);
    converter.SetDevice("Ascend");
    const std::string image = std::to_string(manifest.channels) + "," + side + "," + side;
    converter.SetConfigInfo("ascend_context", Profiles(manifest.input, image, batches));
  } else {
    // The CPU's fusions make operators that an Ascend lacks, and a mark (isOptimized) for which it refuses the file.
    converter.SetNoFusion(true);
    // With a variable batch MindSpore Lite 2.0 converts without an error, but the model crashes. Model::Resize changes
    // the batch later.
    converter.SetInputShape(
        {{manifest.input, {batches[0], manifest.channels, manifest.resolution, manifest.resolution}}});
  }
  const std::string stem = output.substr(0, output.size() - ending.size());  // the converter adds the ending
  const auto status = converter.Convert(mindspore::converter::kFmkTypeOnnx, onnx, stem);
  if (status != mindspore::kSuccess || !fs::exists(output)) {
    throw UserError(onnx + ": MindSpore Lite cannot convert it (" + status.ToString() + ")" +
                    (compile ? std::string("; without ASCEND_HOME_PATH (") + cann +
                                   ") it is converted to be compiled when it is loaded"
                             : ""));
  }
  tinynets::PassOnManifest(onnx + ".json", output);
}

}  // namespace

int main(int argc, char **argv) {
  if (argc < 4 || argv[3] != std::string("ascend")) {
    std::fputs(USAGE, stderr);
    return 2;
  }
  try {
    const auto batches = Batches(argc - 4, argv + 4);
    tinynets::QuietLibrary(argv);
    Convert(argv[1], argv[2], batches);
    return 0;
  } catch (const std::exception &error) {
    std::fprintf(stderr, "error: %s\n", tinynets::Line(error.what()).c_str());
    return 2;
  }
}
