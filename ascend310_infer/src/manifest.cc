#include "manifest.h"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "error.h"
#include "files.h"
#include "sha256.h"

namespace tinynets {
namespace {

using nlohmann::json;

constexpr int FORMAT = 1;
constexpr int LARGEST = 4096;  // pixels a side; larger is a damaged file
constexpr size_t LARGEST_FILE = 64 << 20;

void Expect(const json &object, const char *key, const json &wanted) {
  if (object.at(key) != wanted) {
    throw UserError(std::string(key) + " is " + object.at(key).dump().substr(0, 80) + ", this program does " +
                    wanted.dump());
  }
}

double Number(const json &value, const char *name, double low, double high) {
  const double number = value.get<double>();
  if (!(number > low && number <= high)) throw UserError(std::string(name) + " is " + value.dump());
  return number;
}

void ReadTriple(const json &values, const char *name, double low, float *to) {
  if (!values.is_array() || values.size() != 3) throw UserError(std::string(name) + " must be three numbers");
  for (size_t c = 0; c < 3; c++) to[c] = static_cast<float>(Number(values[c], name, low, 1e6));
}

Manifest Parse(const json &all) {
  Expect(all, "format", FORMAT);
  const json &preset = all.at("preprocessing");
  Expect(preset, "interpolation", "bicubic_antialiased");
  Expect(preset, "channels", "RGB");
  Expect(preset, "layout", "NCHW");
  Manifest manifest;
  manifest.network = all.at("network").at("name").get<std::string>();
  manifest.input = all.at("input").at("name").get<std::string>();
  manifest.class_names = all.at("class_names").get<std::vector<std::string>>();
  if (manifest.class_names.empty()) throw UserError("class_names is empty");
  const double resolution = Number(preset.at("resolution"), "resolution", 0, LARGEST);
  if (resolution != std::floor(resolution)) throw UserError("resolution must be a whole number");
  manifest.resolution = static_cast<int>(resolution);
  manifest.crop_ratio = Number(preset.at("crop_ratio"), "crop_ratio", 0, 1);
  if (manifest.resolution / manifest.crop_ratio > LARGEST) throw UserError("crop_ratio is too small");
  ReadTriple(preset.at("mean"), "mean", -1e6, manifest.mean);
  ReadTriple(preset.at("deviation"), "deviation", 1e-6, manifest.deviation);
  return manifest;
}

UserError NotAManifest(const std::string &path, const json::exception &error) {
  const std::string reason = std::string(error.what()).substr(0, 120);  // it may quote the file at length
  return UserError(path + ": not a manifest of export.py (" + reason + "); export the model again");
}

json Load(const std::string &path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) {
    throw UserError(path + ": no such manifest; export.py writes one beside every model");
  }
  const std::string text = ReadText(path, LARGEST_FILE);
  try {
    return json::parse(text);
  } catch (const json::exception &error) {
    throw NotAManifest(path, error);
  }
}

// What describes a model file. While export.py replaces a pair, the manifest of the new file is in the old one's, as
// "next": where it was stopped in between, the file says which of the two is right.
template <typename Json>
Json Current(Json all, const std::string &model) {
  std::error_code ignored;
  if (!all.is_object() || !all.contains("next")) return all;
  Json next = all.at("next");
  all.erase("next");
  const bool there = std::filesystem::is_regular_file(model, ignored) && next.is_object() && next.contains("sha256");
  return there && next.at("sha256") == FileHash(model) ? next : all;
}

// A model converted by other tools has another name, and only its shapes are compared, when it is loaded.
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
  try {
    if (!model.empty()) all = Current(std::move(all), model);
    Manifest manifest = Parse(all);
    if (!model.empty()) CheckFile(all, model);
    return manifest;
  } catch (const json::exception &error) {
    throw NotAManifest(path, error);
  } catch (const UserError &error) {
    throw UserError(path + ": " + error.what());
  }
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
