#include "manifest.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "error.h"
#include "files.h"
#include "sha256.h"

namespace tinynets {
namespace {

using nlohmann::json;

constexpr int FORMAT = 1;
constexpr char TASK[] = "classification";
constexpr double PLACE_LIMIT = int64_t{1} << 48;          // as in src/tinynets/data/division.py
constexpr size_t MOST_PARTS = 4, MAX_HASHES = 8 * 20000;  // characters, as in src/tinynets/data/trained.py
constexpr int DEEPEST = 64;                               // as in src/tinynets/parsing.py
constexpr size_t LARGEST_FILE = 16 << 20;                 // bytes, as there

std::string Shown(const json &value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace).substr(0, 80);
}

[[noreturn]] void Refuse(const std::string &name, const json &value, const std::string &allowed) {
  throw UserError(name + " is " + Shown(value) + "; it must be " + allowed);
}

const json &Member(const json &object, const std::string &prefix, const char *key) {
  const auto found = object.find(key);
  if (found == object.end()) throw UserError(prefix + key + " is missing");
  return *found;
}

const json &Table(const json &all, const char *key) {
  const json &value = Member(all, "", key);
  if (!value.is_object()) Refuse(key, value, "a table");
  return value;
}

bool IsText(const json &value) { return value.is_string() && value != ""; }

std::string Text(const json &object, const std::string &prefix, const char *key) {
  const json &value = Member(object, prefix, key);
  if (!IsText(value)) Refuse(prefix + key, value, "text");
  return value.get<std::string>();
}

bool Within(const json &value, double low, double high) {
  if (!value.is_number()) return false;
  const double number = value.get<double>();
  return number >= low && number <= high;
}

// The keys and ranges of preprocessing, as in src/tinynets/preprocessing.py.
constexpr const char *PREPROCESSING = "preprocessing.";

double Number(const json &preset, const char *key, double low, double high, bool whole, const char *allowed) {
  const json &value = Member(preset, PREPROCESSING, key);
  if (!Within(value, low, high) || (whole && !value.is_number_integer())) {
    Refuse(PREPROCESSING + std::string(key), value, allowed);
  }
  return value.get<double>();
}

void Numbers(const json &preset, const char *key, double low, double high, int channels, const char *allowed,
             float *to) {
  const json &values = Member(preset, PREPROCESSING, key);
  bool good = values.is_array() && values.size() == static_cast<size_t>(channels);
  for (int c = 0; good && c < channels; c++) good = Within(values[c], low, high);
  if (!good) Refuse(PREPROCESSING + std::string(key), values, allowed);
  for (int c = 0; c < channels; c++) to[c] = values[c].get<float>();
}

void ReadPreprocessing(const json &preset, Manifest *manifest) {
  const std::string interpolation = Text(preset, PREPROCESSING, "interpolation");
  if (interpolation != "bicubic_antialiased") {
    Refuse("preprocessing.interpolation", interpolation, "bicubic_antialiased");
  }
  const std::string layout = Text(preset, PREPROCESSING, "layout");
  if (layout != "NCHW") Refuse("preprocessing.layout", layout, "NCHW");
  const std::string channels = Text(preset, PREPROCESSING, "channels");
  if (channels != "RGB" && channels != "L") Refuse("preprocessing.channels", channels, "RGB or L");
  manifest->channels = channels == "L" ? 1 : 3;
  manifest->resolution =
      static_cast<int>(Number(preset, "resolution", 1, 4096, true, "a whole number of 1 to 4096 pixels"));
  manifest->crop_ratio = Number(preset, "crop_ratio", 0.1, 1, false, "a number of 0.1 to 1");
  const char *const mean = "3 numbers (L: 1) of -10 to 10, for pixel values from 0 to 1";
  Numbers(preset, "mean", -10, 10, manifest->channels, mean, manifest->mean);
  const char *const deviation = "3 numbers (L: 1) of 0.001 to 10, for pixel values from 0 to 1";
  Numbers(preset, "deviation", 0.001, 10, manifest->channels, deviation, manifest->deviation);
}

// Checks the input's or output's shape without its batch, and its type, if the manifest has them.
void CheckTensor(const json &all, const char *place, const json &wanted) {
  const json &tensor = Table(all, place);
  if (tensor.contains("dtype") && tensor["dtype"] != "float32") {
    Refuse(std::string(place) + ".dtype", tensor["dtype"], "float32");
  }
  if (!tensor.contains("shape")) return;
  const json &shape = tensor["shape"];
  bool good = shape.is_array() && shape.size() == wanted.size() + 1 &&
              (shape[0].is_null() || (shape[0].is_number_integer() && shape[0] == 1));
  for (size_t i = 0; good && i < wanted.size(); i++) {
    good = shape[i + 1].is_number_integer() && shape[i + 1] == wanted[i];
  }
  if (!good) Refuse(std::string(place) + ".shape", shape, "that of the classes and the preprocessing");
}

bool IsPlace(const json &value) { return value.is_number_integer() && Within(value, 0, PLACE_LIMIT); }

// The validation images of a training without val/, which this program does not use.
void CheckDivision(const json &division, size_t classes) {
  const auto places = [&](const char *key) {
    const json found = division.value(key, json());
    return found.is_array() && found.size() == classes && std::all_of(found.begin(), found.end(), IsPlace);
  };
  if (!division.is_object() || division.value("rule", json()) != "names" || !places("val") || !places("train") ||
      !IsPlace(division.value("images", json())) || !division.value("digest", json()).is_string()) {
    throw UserError("its division of the data set cannot be read; written by another release, or damaged");
  }
}

// Refuses names of training images, hashes of 8 characters, that Python would refuse; this program does not use them.
void CheckTrained(const json &trained) {
  const auto hashes = [](const json &part, const char *key) {
    const json found = part.value(key, json());
    if (!found.is_string()) return false;
    const std::string &text = found.get_ref<const std::string &>();
    return text.size() % 8 == 0 && text.size() <= MAX_HASHES && std::all_of(text.begin(), text.end(), [](char c) {
             return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
           });
  };
  const auto is_part = [&](const json &part) {
    return part.is_object() && hashes(part, "own") && hashes(part, "shared") && IsPlace(part.value("end", json()));
  };
  const json parts = trained.is_object() ? trained.value("parts", json()) : json();
  const bool good = parts.is_array() && parts.size() <= MOST_PARTS && trained.value("complete", json()).is_boolean() &&
                    std::all_of(parts.begin(), parts.end(), is_part);
  if (!good) {
    throw UserError("its names of training images cannot be read; written by another release, or damaged");
  }
}

Probe ReadProbe(const json &probe, size_t classes) {
  constexpr double LAST_SEED = UINT32_MAX, LARGEST = 1e30;
  const json seed = probe.is_object() ? probe.value("seed", json()) : json();
  const json logits = probe.is_object() ? probe.value("logits", json()) : json();
  const bool good =
      seed.is_number_integer() && Within(seed, 0, LAST_SEED) && logits.is_array() && logits.size() == classes &&
      std::all_of(logits.begin(), logits.end(), [](const json &logit) { return Within(logit, -LARGEST, LARGEST); });
  if (!good) Refuse("probe", probe, "a seed and a number for each class");
  return {seed.get<uint32_t>(), logits.get<std::vector<float>>()};
}

// Refuses the same manifests as src/tinynets/deploy/manifest.py.
Manifest Parse(const json &all) {
  if (!all.is_object()) throw UserError("it is " + Shown(all) + ", not a table");
  const json &format = Member(all, "", "format");
  if (!format.is_number_integer() || format != FORMAT) Refuse("format", format, std::to_string(FORMAT));
  for (const char *key : {"kind", "file", "sha256"}) Text(all, "", key);
  const std::string weights = Text(all, "", "weights");
  if (weights != "ema" && weights != "raw") Refuse("weights", weights, "ema or raw");
  Table(all, "config");
  Manifest manifest;
  const json &network = Table(all, "network");
  manifest.network = Text(network, "network.", "name");
  manifest.input = Text(Table(all, "input"), "input.", "name");
  const json &names = Member(all, "", "class_names");
  if (!names.is_array() || names.empty() || !std::all_of(names.begin(), names.end(), IsText) ||
      std::set<json>(names.begin(), names.end()).size() != names.size()) {
    Refuse("class_names", names, "a list of different names");
  }
  manifest.class_names = names.get<std::vector<std::string>>();
  if (all.contains("task") && all["task"] != TASK) Refuse("task", all["task"], TASK);
  if (all.contains("classes_named") && !all["classes_named"].is_boolean()) {
    Refuse("classes_named", all["classes_named"], "true or false");
  }
  if (all.contains("division") && !all["division"].is_null()) CheckDivision(all["division"], names.size());
  if (all.contains("probe") && !all["probe"].is_null()) manifest.probe = ReadProbe(all["probe"], names.size());
  if (all.contains("trained") && !all["trained"].is_null()) CheckTrained(all["trained"]);
  ReadPreprocessing(Table(all, "preprocessing"), &manifest);
  const json channels = network.contains("in_channels") ? network["in_channels"] : json(3);
  if (!channels.is_number_integer() || channels != manifest.channels) {
    throw UserError("preprocessing.channels is " + all["preprocessing"]["channels"].dump() + ", the network takes " +
                    Shown(channels));
  }
  CheckTensor(all, "input", {manifest.channels, manifest.resolution, manifest.resolution});
  if (all.contains("output")) CheckTensor(all, "output", json::array({manifest.class_names.size()}));
  return manifest;
}

// `reason` may quote the file at length, and begin with its path.
UserError NotAManifest(const std::string &path, std::string reason) {
  if (reason.rfind(path + ": ", 0) == 0) reason.erase(0, path.size() + 2);
  return UserError(path + ": not a manifest of export.py (" + reason.substr(0, 160) + "); export the model again");
}

json Load(const std::string &path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) {
    throw UserError(path + ": no such manifest; export.py writes one beside every model");
  }
  const auto shallow = [](int depth, json::parse_event_t event, json &) {
    const bool begins = event == json::parse_event_t::object_start || event == json::parse_event_t::array_start;
    if (begins && depth >= DEEPEST) throw UserError("nested more than " + std::to_string(DEEPEST) + " deep");
    return true;
  };
  try {
    const std::string text = ReadText(path, LARGEST_FILE);
    if (text.find('\0') != std::string::npos || text.rfind("\xef\xbb\xbf", 0) == 0) {  // json::parse passes over them
      throw UserError("not valid JSON");
    }
    return json::parse(text, shallow);
  } catch (const std::exception &error) {
    throw NotAManifest(path, error.what());
  }
}

// The manifest of a model file. While export.py replaces a pair, the old manifest holds the new file's as "next": if it
// was killed in between, the file's hash decides which of the two is right.
template <typename Json>
Json Current(Json all, const std::string &model) {
  std::error_code ignored;
  if (!all.is_object() || !all.contains("next")) return all;
  Json next = all.at("next");
  all.erase("next");
  const bool there = std::filesystem::is_regular_file(model, ignored) && next.is_object() && next.contains("sha256");
  return there && next.at("sha256") == FileHash(model) ? next : all;
}

// A model converted by other tools has another name; only its shapes are compared, when it is loaded.
void CheckFile(const json &all, const std::string &model) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (all.at("file") != fs::path(model).filename().string() || !fs::is_regular_file(model, ignored)) return;
  if (all.at("sha256") != FileHash(model)) {
    throw UserError(model + " is not the file that the manifest describes (sha256 differs); export it again");
  }
}

}  // namespace

Manifest ReadManifest(const std::string &path, const std::string &model) {
  json all = Load(path);
  Manifest manifest;
  try {
    if (!model.empty()) all = Current(std::move(all), model);
    manifest = Parse(all);
  } catch (const std::exception &error) {
    throw NotAManifest(path, error.what());
  }
  if (!model.empty()) CheckFile(all, model);
  return manifest;
}

void PassOnManifest(const std::string &from, const std::string &model) {
  auto all = Current(nlohmann::ordered_json::parse(ReadText(from, LARGEST_FILE)),
                     std::filesystem::path(from).replace_extension().string());
  all["kind"] = "MINDIR for MindSpore Lite";
  all["file"] = std::filesystem::path(model).filename().string();
  all["bytes"] = std::filesystem::file_size(model);
  all["sha256"] = FileHash(model);
  WriteFile(model + ".json", all.dump(1) + "\n");
}

}  // namespace tinynets
