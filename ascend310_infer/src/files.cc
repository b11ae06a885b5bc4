#include "files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "error.h"
#include "folder.h"

namespace tinynets {
namespace {

namespace fs = std::filesystem;

// A row of CSV and the number of the line it begins on.
struct Row {
  size_t line;
  std::vector<std::string> fields;
};

// Commas separate fields and line ends separate rows, but not within double quotes, where two quotes mean one. Rows
// with one empty field are left out.
std::vector<Row> ReadCsv(const std::string &path) {
  const std::string text = ReadText(path) + "\n";
  std::vector<Row> rows;
  Row row = {1, {""}};
  bool quoted = false;
  size_t line = 1;
  for (size_t i = 0; i < text.size(); i++) {
    const char c = text[i];
    line += c == '\n';
    if (c == '"' && quoted && text[i + 1] == '"') {
      row.fields.back() += text[++i];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      row.fields.emplace_back();
    } else if (c == '\n' && !quoted) {
      if (row.fields != std::vector<std::string>{""}) rows.push_back(std::move(row));
      row = {line, {""}};
    } else {
      row.fields.back() += c;
    }
  }
  if (quoted) throw UserError(path + ": line " + std::to_string(row.line) + ": a quotation mark is not closed");
  return rows;
}

// The number that a name is, or -1.
int NumberOf(const std::string &name) {
  const bool number = !name.empty() && name.size() < 8 &&
                      std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c); });
  return number ? std::stoi(name) : -1;
}

// The class of a name or of a number, or -1. If classes have numbers as names, a number is a name (07 is 7) and never
// an index: among classes 1 to 9 there is no class 0.
int ClassOf(const std::string &name, const std::vector<std::string> &class_names) {
  const auto begin = class_names.begin(), end = class_names.end();
  const auto found = std::find(begin, end, name);
  if (found != end) return static_cast<int>(found - begin);
  const int number = NumberOf(name);
  if (number < 0) return -1;
  const auto is_number = [](const std::string &known) { return NumberOf(known) >= 0; };
  if (std::any_of(begin, end, is_number)) {
    const auto same = [&](const std::string &known) { return NumberOf(known) == number; };
    return std::count_if(begin, end, same) == 1 ? static_cast<int>(std::find_if(begin, end, same) - begin) : -1;
  }
  return number < static_cast<int>(class_names.size()) ? number : -1;
}

bool IsAscii(const std::string &text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

std::string ReadText(const std::string &path, size_t largest) {
  std::error_code ignored;
  if (fs::exists(path, ignored) && !fs::is_regular_file(path, ignored)) {  // reading a pipe or a device may never end
    throw UserError(path + ": is a folder, a pipe or a device; a file is needed");
  }
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const std::streamoff size = file ? static_cast<std::streamoff>(file.tellg()) : -1;
  if (size < 0 || !file.seekg(0)) throw UserError(path + ": cannot be read");
  if (static_cast<size_t>(size) > largest) {
    throw UserError(path + ": is larger than the " + std::to_string(largest >> 20) + " MiB that a text may have");
  }
  std::string bytes(static_cast<size_t>(size), '\0');
  if (!file.read(bytes.data(), size)) throw UserError(path + ": cannot be read");
  const std::string mark = "\xef\xbb\xbf", start = bytes.substr(0, 4);
  if (start.rfind("\xff\xfe", 0) == 0 || start.rfind("\xfe\xff", 0) == 0 || start.find('\0') != std::string::npos) {
    throw UserError(path + ": is UTF-16, UTF-32 or no text; save it as UTF-8");
  }
  std::string text;
  text.reserve(bytes.size());
  for (size_t i = start.rfind(mark, 0) == 0 ? mark.size() : 0; i < bytes.size(); i++) {
    const bool pair = bytes[i] == '\r' && i + 1 < bytes.size() && bytes[i + 1] == '\n';
    if (!pair) text += bytes[i] == '\r' ? '\n' : bytes[i];
  }
  return text;
}

std::vector<std::string> FindImages(const std::string &path, const std::function<void(const std::string &)> &say) {
  std::vector<std::string> found;
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    Found inside = FindInFolder(path);
    for (const auto &line : inside.LeftOut(path)) say(line);
    found = std::move(inside.files);
  } else if (!fs::exists(path, ignored)) {
    throw UserError(path + ": no such image, folder or list");
  } else if (IsImage(path)) {
    found = {path};
  } else {
    std::istringstream lines(ReadText(path));
    for (std::string line; std::getline(lines, line);) {
      if (!line.empty()) found.push_back((fs::path(path).parent_path() / line).string());
    }
  }
  if (found.empty()) throw UserError(path + ": no images in it");
  return found;
}

Labels::Labels(const std::string &csv, const std::vector<std::string> &class_names) {
  const auto rows = ReadCsv(csv);
  for (size_t i = 0; i < rows.size(); i++) {
    const auto &fields = rows[i].fields;
    const int label = fields.size() == 2 ? ClassOf(fields[1], class_names) : -1;
    const auto refuse = [&](const std::string &reason) {
      throw UserError(csv + ": line " + std::to_string(rows[i].line) + ": " + reason);
    };
    if (label >= 0) {
      if (classes_.emplace(fields[0], label).first->second != label) refuse(fields[0] + " has another class before");
    } else if (i > 0 || fields.size() != 2) {  // the first line may name the columns
      const bool plain = fields.size() != 2 || IsAscii(fields[1]);
      refuse(
          std::string("must be file,class with a class of the manifest") +
          (plain ? "" : "; names are compared byte by byte, so accents must be composed, or not, as they are there"));
    }
  }
  if (classes_.empty()) throw UserError(csv + ": no labels in it");
}

Labels::Rows::const_iterator Labels::Find(const std::string &image) const {
  for (size_t at = 0; at != std::string::npos;) {  // the whole path, then shorter and shorter ends of it
    const auto found = classes_.find(image.substr(at));
    if (found != classes_.end()) return found;
    at = image.find('/', at);
    if (at != std::string::npos) at++;
  }
  return classes_.end();
}

int Labels::Of(const std::string &image) const {
  const auto row = Find(image);
  return row == classes_.end() ? -1 : row->second;
}

void Labels::CheckRows(const std::string &csv, const std::vector<std::string> &images) const {
  std::map<std::string, std::string> owners;
  for (const std::string &image : images) {
    const auto row = Find(image);
    if (row == classes_.end()) continue;
    const std::string &owner = owners.emplace(row->first, image).first->second;
    if (owner != image) {
      throw UserError(csv + ": the row " + row->first + " is that of " + owner + " and of " + image +
                      "; write more of their paths");
    }
  }
}

void WriteFile(const std::string &path, const std::string &text) {
  std::error_code ignored;
  if (fs::exists(path, ignored) && !fs::is_regular_file(path, ignored) && !fs::is_directory(path, ignored)) {
    std::ofstream device(path, std::ios::binary);  // or a pipe: it must not be replaced by a file
    if (!(device << text << std::flush)) throw UserError(path + ": cannot be written (" + std::strerror(errno) + ")");
    return;
  }
  std::string temporary = path + ".XXXXXX";
  const int file = mkstemp(temporary.data());  // a new file with an unpredictable name
  const mode_t mask = umask(0);
  umask(mask);
  bool written = file >= 0 && fchmod(file, 0666 & ~mask) == 0;
  for (size_t at = 0; written && at < text.size();) {
    const ssize_t count = write(file, text.data() + at, text.size() - at);
    written = count > 0;
    at += written ? static_cast<size_t>(count) : 0;
  }
  written = written && rename(temporary.c_str(), path.c_str()) == 0;
  const std::string reason = std::strerror(errno);
  if (file >= 0) close(file);
  if (written) return;
  if (file >= 0) unlink(temporary.c_str());
  throw UserError(path + ": cannot be written (" + reason + ")");
}

}  // namespace tinynets
