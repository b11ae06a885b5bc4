#pragma once

#include <map>
#include <string>
#include <vector>

namespace tinynets {

// The content of a folder and its subfolders, as found by src/tinynets/data/images.py: sorted image files, and entries
// that are left out.
struct Found {
  std::vector<std::string> files;
  std::map<std::string, size_t> others;  // by ending: files that are not images
  std::vector<std::string> junk;         // folders made by an operating system or a program
  std::vector<std::string> twice;        // links to folders that had been read already

  // Lines on the entries that were left out, at most one per kind.
  std::vector<std::string> LeftOut(const std::string &folder) const;
};

// Returns the content of a folder without hidden entries. Links to folders are followed. Throws UserError for a folder
// that cannot be read.
Found FindInFolder(const std::string &folder);

// Whether a file is an image by the ending of its name.
bool IsImage(const std::string &path);

}  // namespace tinynets
