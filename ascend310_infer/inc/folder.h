#pragma once

#include <map>
#include <string>
#include <vector>

namespace tinynets {

// What lies in a folder and its subfolders, as src/tinynets/data/images.py finds it: image files, sorted, and what is
// not taken.
struct Found {
  std::vector<std::string> files;
  std::map<std::string, size_t> others;  // by ending: files that are no images
  std::vector<std::string> junk;         // folders that an operating system or a program made
  std::vector<std::string> twice;        // links to folders whose images are taken already

  // Lines that say what was not taken, at most one of a kind.
  std::vector<std::string> LeftOut(const std::string &folder) const;
};

// Looks into a folder, without hidden files and folders. Links to folders are followed. Throws UserError for a folder
// that cannot be read.
Found FindInFolder(const std::string &folder);

// Whether a file is an image by the ending of its name.
bool IsImage(const std::string &path);

}  // namespace tinynets
