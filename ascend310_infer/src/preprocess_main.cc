// Writes the network's input tensors of images, which tests compare with Python's. Needs no SDK.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "error.h"
#include "image.h"
#include "manifest.h"
#include "preprocess.h"
#include "printable.h"

namespace {

using namespace tinynets;

int Run(const std::string &manifest, const std::string &output, int count, char **images) {
  const Preprocess preprocess(ReadManifest(manifest));
  if (std::filesystem::exists(output)) throw UserError(output + ": exists already");
  std::ofstream file(output, std::ios::binary);
  std::vector<float> tensor(preprocess.size());
  int failed = 0;
  for (int i = 0; i < count; i++) {
    try {
      preprocess(Decode(images[i]), tensor.data());
      file.write(reinterpret_cast<const char *>(tensor.data()), static_cast<std::streamsize>(tensor.size() * 4));
    } catch (const ImageError &error) {
      std::fprintf(stderr, "skipped %s\n", Line(std::string(images[i]) + ": " + error.what()).c_str());
      failed = 1;
    }
  }
  file.close();
  if (!file) throw UserError(output + ": cannot be written");
  return failed;
}

}  // namespace

int main(int argc, char **argv) {
  if (argc < 4) {
    std::fputs(
        "usage: tinynet_preprocess MANIFEST OUTPUT IMAGE...\n"
        "writes (channels, resolution, resolution) float32 for each image, one after the other\n",
        stderr);
    return 2;
  }
  try {
    return Run(argv[1], argv[2], argc - 3, argv + 3);
  } catch (const std::exception &error) {
    std::fprintf(stderr, "error: %s\n", Line(error.what()).c_str());
    return 2;
  }
}
