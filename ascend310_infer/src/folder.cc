#include "folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <utility>

#include "error.h"

namespace tinynets {
namespace {

namespace fs = std::filesystem;

// The endings of src/tinynets/data/images.py: images that this program cannot decode are reported, not ignored.
const std::set<std::string> SUFFIXES = {
    ".apng", ".avif", ".avifs", ".blp", ".bmp", ".bw",  ".cur",  ".dcx",  ".dds", ".dib",  ".fit", ".fits",
    ".flc",  ".fli",  ".ftc",   ".ftu", ".gbr", ".gif", ".heic", ".heif", ".icb", ".icns", ".ico", ".im",
    ".j2c",  ".j2k",  ".jfif",  ".jp2", ".jpc", ".jpe", ".jpeg", ".jpf",  ".jpg", ".jpx",  ".jxl", ".mpo",
    ".msp",  ".pbm",  ".pcd",   ".pcx", ".pfm", ".pgm", ".png",  ".pnm",  ".ppm", ".psd",  ".pxr", ".qoi",
    ".ras",  ".rgb",  ".rgba",  ".sgi", ".tga", ".tif", ".tiff", ".vda",  ".vst", ".webp", ".xbm", ".xpm"};
const std::set<std::string> JUNK_FOLDERS = {"__macosx",   "@eadir",     "$recycle.bin", "system volume information",
                                            "lost+found", "__pycache__"};
const std::set<std::string> JUNK_FILES = {"thumbs.db", "desktop.ini"};

using Place = std::pair<dev_t, ino_t>;

std::string Lower(std::string text) {
  for (char &c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string Ending(const fs::path &path) { return Lower(path.extension().string()); }

[[noreturn]] void Refuse(const fs::path &path, const std::error_code &error) {
  throw UserError(path.string() + ": " + error.message());
}

Place PlaceOf(const fs::path &folder) {
  struct stat about;
  if (stat(folder.c_str(), &about) != 0) Refuse(folder, std::error_code(errno, std::generic_category()));
  return {about.st_dev, about.st_ino};
}

// Whether a path is a folder or a link to one. Throws UserError if that cannot be determined.
bool IsFolder(const fs::path &path) {
  std::error_code error;
  const auto kind = fs::status(path, error).type();
  const bool nowhere = error == std::errc::too_many_symbolic_link_levels || error == std::errc::filename_too_long;
  if (kind == fs::file_type::none && !nowhere) Refuse(path, error);
  return kind == fs::file_type::directory;
}

class Search {
 public:
  explicit Search(const fs::path &folder) {
    std::error_code error;
    const fs::path real = fs::canonical(folder, error);
    if (error) Refuse(folder, error);
    for (fs::path above = real; above.has_relative_path();) {  // a link to one of these is a cycle
      above = above.parent_path();
      seen_.insert(PlaceOf(above));
    }
    Read(folder, false);
    while (!links_.empty()) {  // after the folders themselves, so that these are taken rather than links to them
      const fs::path first = *links_.begin();
      links_.erase(links_.begin());
      Read(first, true);
    }
    std::sort(found.files.begin(), found.files.end());
    std::sort(found.twice.begin(), found.twice.end());
  }

  Found found;

 private:
  void Read(const fs::path &base, bool linked) {
    std::vector<fs::path> waiting = {base};
    while (!waiting.empty()) {
      const fs::path here = std::move(waiting.back());
      waiting.pop_back();
      if (!seen_.insert(PlaceOf(here)).second && linked) {
        found.twice.push_back(here.string());
        continue;
      }
      std::error_code error;
      fs::directory_iterator entry(here, error), end;
      for (; !error && entry != end; entry.increment(error)) Take(entry->path(), &waiting);
      if (error) Refuse(here, error);
    }
  }

  void Take(const fs::path &path, std::vector<fs::path> *waiting) {
    const std::string name = path.filename().string();
    std::error_code ignored;
    if (IsFolder(path)) {
      if (name.front() == '.') return;
      if (JUNK_FOLDERS.count(Lower(name))) {
        found.junk.push_back(name);
      } else if (fs::is_symlink(path, ignored)) {
        links_.insert(path.string());
      } else {
        waiting->push_back(path);
      }
    } else if (name.front() != '.' && !JUNK_FILES.count(Lower(name))) {
      if (IsImage(name)) {
        found.files.push_back(path.string());
      } else {
        found.others[Ending(path)]++;
      }
    }
  }

  std::set<Place> seen_;
  std::set<std::string> links_;
};

}  // namespace

std::vector<std::string> Found::LeftOut(const std::string &folder) const {
  constexpr size_t SHOWN = 10;  // endings
  std::vector<std::string> lines;
  if (!others.empty()) {
    std::vector<std::pair<std::string, size_t>> kinds(others.begin(), others.end());
    std::stable_sort(kinds.begin(), kinds.end(), [](const auto &a, const auto &b) { return a.second > b.second; });
    std::string line = folder + ": left out, not images by their endings:";
    for (size_t i = 0; i < std::min(SHOWN, kinds.size()); i++) {
      line += (i ? ", " : " ") + std::to_string(kinds[i].second) + " " +
              (kinds[i].first.empty() ? "without an ending" : kinds[i].first);
    }
    lines.push_back(line + (kinds.size() > SHOWN ? ", ..." : ""));
  }
  if (!junk.empty()) {
    std::string line = folder + ": left out, as an operating system or a program makes them:";
    const std::set<std::string> names(junk.begin(), junk.end());
    for (const auto &name : names) line += (name == *names.begin() ? " " : ", ") + name;
    lines.push_back(line);
  }
  if (!twice.empty()) {
    lines.push_back(twice[0] + ": leads to a folder whose images are taken already, so it is not followed" +
                    (twice.size() > 1 ? " (" + std::to_string(twice.size()) + " such links)" : ""));
  }
  return lines;
}

Found FindInFolder(const std::string &folder) { return Search(folder).found; }

bool IsImage(const std::string &path) { return SUFFIXES.count(Ending(path)) > 0; }

}  // namespace tinynets
