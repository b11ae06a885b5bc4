#include "orientation.h"

#include <bitset>
#include <cmath>
#include <cstring>
#include <string_view>

namespace tinynets {
namespace {

using Bytes = std::string_view;

// A number of a TIFF structure; bytes outside of it read as 0.
uint64_t Number(Bytes tiff, size_t at, size_t size, bool big) {
  if (at > tiff.size() || tiff.size() - at < size) return 0;
  uint64_t value = 0;
  for (size_t i = 0; i < size; i++) {
    value |= uint64_t{static_cast<uint8_t>(tiff[at + i])} << 8 * (big ? size - 1 - i : i);
  }
  return value;
}

// The size in bytes of a TIFF type, 0 for an unknown one.
size_t SizeOf(uint64_t type) {
  static constexpr size_t SIZES[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8};
  return type < std::size(SIZES) ? SIZES[type] : 0;
}

// The first value at a place as a number, NaN for text or bytes.
double Value(Bytes tiff, size_t at, uint64_t type, bool big) {
  const uint64_t bits = Number(tiff, at, SizeOf(type), big);
  const uint64_t first = Number(tiff, at, 4, big), second = Number(tiff, at + 4, 4, big);
  const auto as_signed = [](uint64_t value) { return static_cast<double>(static_cast<int32_t>(value)); };
  float single;
  double twice;
  switch (type) {
    case 3:
    case 4:
    case 13:
    case 16:
      return static_cast<double>(bits);
    case 5:
      return static_cast<double>(first) / static_cast<double>(second);
    case 6:
      return static_cast<int8_t>(bits);
    case 8:
      return static_cast<int16_t>(bits);
    case 9:
      return as_signed(bits);
    case 10:
      return as_signed(first) / as_signed(second);
    case 11:
      std::memcpy(&single, &first, sizeof single);  // of a little-endian machine
      return single;
    case 12:
      std::memcpy(&twice, &bits, sizeof twice);
      return twice;
    default:
      return std::nan("");
  }
}

// The orientation of a TIFF structure's first directory: 1 if it is not 1 to 8 or the structure is damaged, nothing if
// the directory has none. Entries are read as in Pillow: the first of a tag counts, an unknown type is skipped, and a
// value outside of the structure ends the directory.
std::optional<int> TiffOrientation(Bytes tiff) {
  constexpr size_t TAG = 0x0112, ENTRY = 12;
  const Bytes start = tiff.substr(0, 4);
  const bool big = start.substr(0, 2) == "MM";
  if (tiff.size() < 8 || (start != Bytes("MM\0*", 4) && start != Bytes("MM*\0", 4) && start != Bytes("MM\0+", 4) &&
                          start != Bytes("II*\0", 4) && start != Bytes("II\0*", 4))) {
    return 1;
  }
  const size_t directory = Number(tiff, 4, 4, big), entries = Number(tiff, directory, 2, big);
  std::bitset<65536> seen;
  uint64_t total = 0;
  for (size_t at = directory + 2, i = 0; i < entries && at + ENTRY <= tiff.size(); i++, at += ENTRY) {
    const uint64_t tag = Number(tiff, at, 2, big), type = Number(tiff, at + 2, 2, big);
    const uint64_t size = SizeOf(type) * Number(tiff, at + 4, 4, big);
    if (size == 0 || seen[tag]) continue;
    size_t place = at + 8;
    if (size > 4) {
      total += size;
      if (total > tiff.size()) continue;
      place = Number(tiff, place, 4, big);
      if (place > tiff.size() || tiff.size() - place < size) return std::nullopt;
    }
    seen[tag] = true;
    if (tag != TAG) continue;
    const double value = Value(tiff, place, type, big);
    return value >= 1 && value <= 8 && value == std::floor(value) ? static_cast<int>(value) : 1;
  }
  return std::nullopt;
}

std::optional<int> ExifOrientation(Bytes exif) {
  constexpr Bytes MARK("Exif\0\0", 6);
  for (int i = 0; i < 2 && exif.substr(0, MARK.size()) == MARK; i++) exif.remove_prefix(MARK.size());
  return exif.empty() ? std::nullopt : TiffOrientation(exif);
}

// The same for ImageMagick's text: an empty line, its name, its length, and lines of hexadecimal digits.
std::optional<int> ProfileOrientation(Bytes text) {
  std::string digits, bytes;
  int line = 0;
  for (const char c : text) {
    if (c == '\n') {
      line++;
    } else if (line >= 3) {
      digits += c;
    }
  }
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  for (size_t i = 0; i < digits.size();) {
    if (digits[i] != 0 && std::strchr(" \r\t\v\f", digits[i]) != nullptr) {  // between two bytes, not within one
      i++;
      continue;
    }
    const int high = digit(digits[i]), low = i + 1 < digits.size() ? digit(digits[i + 1]) : -1;
    if (high < 0 || low < 0) return 1;
    bytes += static_cast<char>(16 * high + low);
    i += 2;
  }
  return ExifOrientation(bytes);
}

int XmpOrientation(Bytes rest) {
  constexpr Bytes KEY = "tiff:Orientation";
  for (size_t at; (at = rest.find(KEY)) != Bytes::npos;) {  // an attribute or an element, the first with one
    rest = rest.substr(at + KEY.size());
    const size_t mark = rest.substr(0, 2) == "=\"" ? 2 : rest.substr(0, 1) == ">" ? 1 : 0;
    if (mark > 0 && rest.size() > mark && rest[mark] >= '0' && rest[mark] <= '9') return rest[mark] - '0';
  }
  return 1;
}

}  // namespace

int FindOrientation(const Metadata &metadata) {
  std::optional<int> found;
  if (metadata.exif.has_value()) {
    found = ExifOrientation(*metadata.exif);
  } else if (metadata.profile.has_value()) {
    found = ProfileOrientation(*metadata.profile);
  }
  return found.has_value() ? *found : XmpOrientation(metadata.xmp);
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
