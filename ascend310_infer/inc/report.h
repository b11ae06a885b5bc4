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

// The same and more as JSON.
std::string Json(const Arguments &arguments, const Manifest &manifest, const std::vector<std::string> &images,
                 const Labels &labels, const Outcome &outcome);

// A line on images that stay dark, as their 16-bit samples use fewer bits, in the words of src/tinynets/data/images.py;
// empty if there are none.
std::string DarkImages(const std::vector<std::string> &images, const Outcome &outcome);

}  // namespace tinynets
