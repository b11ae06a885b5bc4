// The readers of untrusted files on many files: hostile KIND FILE... prints "ok" or the reason for each. A crash, a
// sanitizer's report and an exception of another kind are what tests/deploy/test_hostile.py looks for.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "arguments.h"
#include "error.h"
#include "files.h"
#include "image.h"
#include "manifest.h"
#include "preprocess.h"
#include "report.h"

namespace {

using namespace tinynets;
const std::vector<std::string> CLASSES = {"cat", "dog"};

Manifest Small() {
  Manifest manifest;
  manifest.class_names = CLASSES;
  manifest.resolution = 32;
  manifest.crop_ratio = 0.875;
  for (float &deviation : manifest.deviation) deviation = 1;
  return manifest;
}

void TryImage(const std::string &file) {
  static const Preprocess preprocess(Small());
  std::vector<float> tensor(preprocess.size());
  preprocess(Decode(file), tensor.data());
}

void TryManifest(const std::string &file) {
  const size_t ending = file.rfind(".json");  // beside a model, or alone
  const Preprocess preprocess(ReadManifest(file, ending == std::string::npos ? file : file.substr(0, ending)));
  std::vector<float> tensor(preprocess.size());
  Image image(5, 3);
  std::fill_n(image.rgb.get(), 5 * 3 * 3, uint8_t{200});
  preprocess(std::move(image), tensor.data());
}

void TryLabels(const std::string &file) { Labels(file, CLASSES).Of("folder/" + file); }

void TryList(const std::string &file) { FindImages(file); }

// One word per line.
void TryArguments(const std::string &file) {
  std::ifstream lines(file);
  std::vector<std::string> words = {"tinynet_infer"};
  for (std::string line; std::getline(lines, line);) words.push_back(line);
  std::vector<char *> argv;
  for (auto &word : words) argv.push_back(word.data());
  ParseArguments(static_cast<int>(argv.size()), argv.data());
}

// Logits as raw floats of any value: the report must handle NaN and infinity.
void TryReport(const std::string &file) {
  std::ifstream stream(file, std::ios::binary);
  Outcome outcome;
  for (float two[2]; stream.read(reinterpret_cast<char *>(two), sizeof two);) {
    outcome.results.push_back({{two[0], two[1]}, ""});
    outcome.calls.push_back({1, 1, 1, 3});
  }
  outcome.results.push_back({{}, "no image"});
  Arguments arguments;
  arguments.topk = 2;
  const std::vector<std::string> images(outcome.results.size(), file);
  Table(arguments, Small(), images, Labels(), outcome);
  Json(arguments, Small(), images, Labels(), outcome);
}

const std::map<std::string, std::function<void(const std::string &)>> KINDS = {
    {"image", TryImage}, {"manifest", TryManifest},   {"labels", TryLabels},
    {"list", TryList},   {"arguments", TryArguments}, {"report", TryReport}};

}  // namespace

int main(int argc, char **argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // the last line is of the last harmless file
  for (int i = 2; i < argc; i++) {
    try {
      KINDS.at(argv[1])(argv[i]);
      std::puts("ok");
    } catch (const ImageError &error) {
      std::puts(error.what());
    } catch (const UserError &error) {
      std::puts(error.what());
    }
  }
}
