#include "orientation.h"

#include <cstring>
#include <string_view>

namespace tinynets {
namespace {

constexpr uint32_t ORIENTATION = 0x0112;

// Numbers of a TIFF structure; what lies outside it reads as 0.
class Tiff {
 public:
  Tiff(const uint8_t *data, size_t size) : data_(data), size_(size), big_(size > 0 && data[0] == 'M') {}

  uint32_t Short(size_t at) const { return Number(at, 2); }
  uint32_t Long(size_t at) const { return Number(at, 4); }

 private:
  uint32_t Number(size_t at, size_t bytes) const {
    if (at > size_ || size_ - at < bytes) return 0;
    uint32_t value = 0;
    for (size_t i = 0; i < bytes; i++) value |= uint32_t{data_[at + i]} << 8 * (big_ ? bytes - 1 - i : i);
    return value;
  }

  const uint8_t *data_;
  size_t size_;
  bool big_;
};

}  // namespace

int ExifOrientation(const uint8_t *data, size_t size) {
  if (size >= 6 && std::memcmp(data, "Exif\0\0", 6) == 0) data += 6, size -= 6;
  if (size < 8 || (std::memcmp(data, "II*\0", 4) != 0 && std::memcmp(data, "MM\0*", 4) != 0)) return 0;
  const Tiff tiff(data, size);
  const size_t directory = tiff.Long(4);
  const uint32_t entries = tiff.Short(directory);
  for (uint32_t i = 0; i < entries; i++) {
    const size_t entry = directory + 2 + size_t{12} * i;
    if (tiff.Short(entry) != ORIENTATION) continue;
    const uint32_t type = tiff.Short(entry + 2);
    return static_cast<int>(type == 3 ? tiff.Short(entry + 8) : type == 4 ? tiff.Long(entry + 8) & 0xff : 0);
  }
  return 0;
}

int XmpOrientation(const char *data, size_t size) {
  constexpr std::string_view KEY = "tiff:Orientation";
  std::string_view rest(data, size);
  for (size_t at; (at = rest.find(KEY)) != std::string_view::npos;) {  // an attribute or an element, the first with one
    rest = rest.substr(at + KEY.size());
    const size_t mark = rest.substr(0, 2) == "=\"" ? 2 : rest.substr(0, 1) == ">" ? 1 : 0;
    if (mark > 0 && rest.size() > mark && rest[mark] >= '0' && rest[mark] <= '9') return rest[mark] - '0';
  }
  return 0;
}

View Upright(const Image &image) {
  const int w = image.width, h = image.height;
  const int orientation = image.orientation < 2 || image.orientation > 8 ? 1 : image.orientation;
  static constexpr bool FROM_RIGHT[] = {false, true, true, false, false, false, true, true};
  static constexpr bool FROM_BOTTOM[] = {false, false, true, true, false, true, true, false};
  const bool from_right = FROM_RIGHT[orientation - 1], from_bottom = FROM_BOTTOM[orientation - 1];
  const ptrdiff_t across = 3, along = ptrdiff_t{3} * w;
  const uint8_t *first = image.rgb.get() + (from_right ? across * (w - 1) : 0) + (from_bottom ? along * (h - 1) : 0);
  const ptrdiff_t column = from_right ? -across : across, line = from_bottom ? -along : along;
  return orientation < 5 ? View{first, column, line, w, h} : View{first, line, column, h, w};
}

}  // namespace tinynets
