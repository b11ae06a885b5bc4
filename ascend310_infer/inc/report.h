#pragma once

#include <string>
#include <vector>

#include "arguments.h"
#include "files.h"
#include "manifest.h"
#include "pipeline.h"

namespace tinynets {

// The outcome for people: images, a table of times, accuracy.
std::string Table(const Arguments &arguments, const Manifest &manifest, const std::vector<std::string> &images,
                  const Labels &labels, const Outcome &outcome);

// The same and more for programs.
std::string Json(const Arguments &arguments, const Manifest &manifest, const std::vector<std::string> &images,
                 const Labels &labels, const Outcome &outcome);

// A line on images whose 16-bit samples hold fewer bits, which stay dark, as src/tinynets/data/images.py says it; empty
// where there are none.
std::string DarkImages(const std::vector<std::string> &images, const Outcome &outcome);

}  // namespace tinynets
