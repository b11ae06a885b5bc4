#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace tinynets {

// The text of a UTF-8 file without byte-order mark, with all line ends as newlines. Throws UserError if it cannot be
// read, has more than `largest` bytes, or is UTF-16 or UTF-32.
std::string ReadText(const std::string &path, size_t largest = size_t{1} << 30);

// The image files of a folder and its subfolders, sorted and without hidden ones; or one image file; or those that a
// text file lists, one per line, relative to its folder. `say` is called with lines on files that are left out of a
// folder. Throws UserError if there are no images.
std::vector<std::string> FindImages(
    const std::string &path, const std::function<void(const std::string &)> &say = [](const std::string &) {});

// file -> class from a CSV of two columns: file (its path, or an end of it) and class (its name or its number).
class Labels {
 public:
  Labels() = default;
  // Throws UserError if the file or a class is unknown, or a file has two classes.
  Labels(const std::string &csv, const std::vector<std::string> &class_names);

  // The class of an image, -1 if it has none.
  int Of(const std::string &image) const;
  // Throws UserError if the row of an image, found by the end of its path, is also that of another image.
  void CheckRows(const std::string &csv, const std::vector<std::string> &images) const;
  bool empty() const { return classes_.empty(); }

 private:
  using Rows = std::map<std::string, int>;  // path -> class
  Rows::const_iterator Find(const std::string &image) const;

  Rows classes_;
};

// Writes the whole file or nothing. Throws UserError.
void WriteFile(const std::string &path, const std::string &text);

}  // namespace tinynets
