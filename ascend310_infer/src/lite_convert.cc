// ONNX -> a MINDIR for MindSpore Lite, by the SDK's converter library: a Lite reads the MINDIR only of a MindSpore of
// its own age, and the ONNX file of any. Reads MODEL.onnx.json, and writes OUTPUT.mindir.json from it.
#include <cstdio>
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
// The Python package holds the documented class in its library but not in its headers.
namespace mindspore {
struct ConverterPara;
class Converter {
 public:
  Converter();
  void SetInputShape(const std::map<std::vector<char>, std::vector<int64_t> > &shapes);
  void SetSaveType(ModelType type);
  Status Convert(converter::FmkType framework, const std::vector<char> &model, const std::vector<char> &output,
                 const std::vector<char> &weights);

 private:
  std::shared_ptr<ConverterPara> data_;
};
}  // namespace mindspore
#endif

namespace {

namespace fs = std::filesystem;
using mindspore::StringToChar;
using tinynets::UserError;

void Convert(const std::string &onnx, const std::string &output) {
  const std::string ending = ".mindir";
  if (output.size() <= ending.size() || output.substr(output.size() - ending.size()) != ending) {
    throw UserError(output + ": must end in .mindir");
  }
  if (!fs::is_regular_file(onnx)) throw UserError(onnx + ": no such file");
  for (const auto &file : {output, output + ".json"}) {
    if (fs::exists(file)) throw UserError(file + ": exists already");
  }
  const auto manifest = tinynets::ReadManifest(onnx + ".json", onnx);
  mindspore::Converter converter;
  converter.SetSaveType(mindspore::kMindIR);
  // With a free batch MindSpore Lite 2.0 converts without an error what then crashes; Model::Resize sets it free again.
  const std::vector<int64_t> shape = {1, 3, manifest.resolution, manifest.resolution};
  converter.SetInputShape({{StringToChar(manifest.input), shape}});
  const std::string stem = output.substr(0, output.size() - ending.size());  // the converter adds the ending
  const auto status = converter.Convert(mindspore::converter::kFmkTypeOnnx, StringToChar(onnx), StringToChar(stem), {});
  if (status != mindspore::kSuccess || !fs::exists(output)) {
    throw UserError(onnx + ": MindSpore Lite cannot convert it (" + status.ToString() + ")");
  }
  tinynets::PassOnManifest(onnx + ".json", output);
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 3) {
    std::fputs("usage: lite_convert MODEL.onnx OUTPUT.mindir\n", stderr);
    return 2;
  }
  try {
    tinynets::QuietLibrary(argv);
    Convert(argv[1], argv[2]);
    return 0;
  } catch (const std::exception &error) {
    std::fprintf(stderr, "error: %s\n", tinynets::Printable(error.what()).c_str());
    return 2;
  }
}
