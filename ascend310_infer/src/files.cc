#include "files.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "error.h"

namespace tinynets {
namespace {

namespace fs = std::filesystem;

// As src/data/images.py: what this program cannot decode is reported, not passed over.
const std::vector<std::string> SUFFIXES = {".jpg",  ".jpeg", ".png",  ".bmp", ".gif",
                                           ".webp", ".tif",  ".tiff", ".ppm", ".pgm"};

bool IsImage(const fs::path &path) {
  std::string suffix = path.extension().string();
  for (char &c : suffix) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::find(SUFFIXES.begin(), SUFFIXES.end(), suffix) != SUFFIXES.end();
}

std::vector<std::string> InFolder(const fs::path &folder) {
  std::vector<std::string> found;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, fs::directory_options::skip_permission_denied, error), end;
  for (; !error && entry != end; entry.increment(error)) {
    const fs::path &path = entry->path();
    std::error_code ignored;
    if (path.filename().string().front() == '.') {
      if (entry->is_directory(ignored)) entry.disable_recursion_pending();
    } else if (!entry->is_directory(ignored) && IsImage(path)) {
      found.push_back(path.string());
    }
  }
  if (error) throw UserError(folder.string() + ": " + error.message());
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<std::string> Lines(const std::string &path) {
  std::ifstream file(path);
  if (!file) throw UserError(path + ": cannot be read");
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

// The fields of a line of CSV: commas part them but within double quotes, where two quotes are one.
std::vector<std::string> Fields(const std::string &line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (size_t i = 0; i < line.size(); i++) {
    const char c = line[i];
    if (c == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') {
      fields.back() += line[++i];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  return fields;
}

int ClassOf(const std::string &name, const std::vector<std::string> &class_names) {
  const auto found = std::find(class_names.begin(), class_names.end(), name);
  if (found != class_names.end()) return static_cast<int>(found - class_names.begin());
  const bool number = !name.empty() && name.size() < 8 &&
                      std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c); });
  const int index = number ? std::stoi(name) : -1;
  return index < static_cast<int>(class_names.size()) ? index : -1;
}

}  // namespace

std::vector<std::string> FindImages(const std::string &path) {
  std::vector<std::string> found;
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    found = InFolder(path);
  } else if (!fs::exists(path, ignored)) {
    throw UserError(path + ": no such image, folder or list");
  } else if (IsImage(path)) {
    found = {path};
  } else {
    for (const auto &line : Lines(path)) found.push_back((fs::path(path).parent_path() / line).string());
  }
  if (found.empty()) throw UserError(path + ": no images in it");
  return found;
}

Labels::Labels(const std::string &csv, const std::vector<std::string> &class_names) {
  const auto lines = Lines(csv);
  for (size_t i = 0; i < lines.size(); i++) {
    const auto fields = Fields(lines[i]);
    const int label = fields.size() == 2 ? ClassOf(fields[1], class_names) : -1;
    if (label >= 0) {
      classes_[fields[0]] = label;
    } else if (i > 0 || fields.size() != 2) {  // the first line may name the columns
      throw UserError(csv + ": line " + std::to_string(i + 1) + ": must be file,class with a class of the manifest");
    }
  }
  if (classes_.empty()) throw UserError(csv + ": no labels in it");
}

int Labels::Of(const std::string &image) const {
  for (size_t at = 0; at != std::string::npos;) {  // the whole path, then ever shorter ends of it
    const auto found = classes_.find(image.substr(at));
    if (found != classes_.end()) return found->second;
    at = image.find('/', at);
    if (at != std::string::npos) at++;
  }
  return -1;
}

void WriteFile(const std::string &path, const std::string &text) {
  const std::string temporary = path + ".part";
  std::ofstream file(temporary, std::ios::binary);
  file << text;
  file.close();
  std::error_code error;
  if (file) fs::rename(temporary, path, error);
  if (!file || error) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw UserError(path + ": cannot be written");
  }
}

}  // namespace tinynets
