// Classifies images by an exported network; see --help.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <new>

#include "arguments.h"
#include "error.h"
#include "files.h"
#include "manifest.h"
#include "pipeline.h"
#include "printable.h"
#include "report.h"
#include "session.h"
#ifdef WITH_LITE
#include "library.h"
#endif

namespace {

using namespace tinynets;

int Run(const Arguments &arguments) {
  const Manifest manifest = ReadManifest(arguments.manifest, arguments.model);
  if (arguments.topk > static_cast<int>(manifest.class_names.size())) {
    throw UserError("--topk " + std::to_string(arguments.topk) + ": the network has " +
                    std::to_string(manifest.class_names.size()) + " classes");
  }
  if (arguments.check) {
    MakeSession(arguments, manifest);
    return 0;
  }
  const Labels labels = arguments.labels.empty() ? Labels() : Labels(arguments.labels, manifest.class_names);
  const auto say = [](const std::string &line) { std::fprintf(stderr, "%s\n", Line(line).c_str()); };
  std::vector<std::string> left_out;  // printed after the work, as an error must be one line
  const auto images = FindImages(arguments.images, [&](const std::string &line) { left_out.push_back(line); });
  labels.CheckRows(arguments.labels, images);
  const Outcome outcome = Classify(arguments, manifest, images);
  std::for_each(left_out.begin(), left_out.end(), say);
  int failed = 0;
  for (size_t i = 0; i < images.size(); i++) {
    if (!outcome.results[i].logits.empty()) continue;
    say("skipped " + images[i] + ": " + outcome.results[i].failure);
    failed = 1;
  }
  const std::string dark = DarkImages(images, outcome);
  if (!dark.empty()) say(dark);
  if (!labels.empty()) {
    const auto lacks = [&](const std::string &image) { return labels.Of(image) < 0; };
    const auto lacking = std::count_if(images.begin(), images.end(), lacks);
    if (lacking > 0) {
      const std::string &first = *std::find_if(images.begin(), images.end(), lacks);
      std::fprintf(stderr, "not scored, without a label: %td of %zu images, the first %s\n", lacking, images.size(),
                   Printable(first).c_str());
    }
  }
  std::fputs(Table(arguments, manifest, images, labels, outcome).c_str(), stdout);
  if (!arguments.output.empty()) WriteFile(arguments.output, Json(arguments, manifest, images, labels, outcome));
  return failed;
}

}  // namespace

int main(int argc, char **argv) {
  try {
    const Arguments arguments = ParseArguments(argc, argv);
    if (arguments.help) {
      std::fputs(USAGE, stdout);
      return 0;
    }
#ifdef WITH_LITE
    if (arguments.device == "ascend") QuietLibrary(argv);
#endif
    return Run(arguments);
  } catch (const std::bad_alloc &) {
    std::fputs("error: out of memory; a smaller --batch or fewer --workers need less\n", stderr);
  } catch (const std::exception &error) {
    std::fprintf(stderr, "error: %s\n", Line(error.what()).c_str());
  }
  return 2;
}
