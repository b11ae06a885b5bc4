#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include "orientation.h"

namespace tinynets {
namespace {

using Bytes = std::string_view;
constexpr size_t LONGEST = 1 << 20;  // bytes of an unpacked text, as Pillow reads: a file of 8 kB may unpack to 8 MB

Bytes After(Bytes bytes, size_t count) { return bytes.substr(std::min(count, bytes.size())); }

// What follows the first of `byte`; nothing where there is none.
Bytes AfterFirst(Bytes bytes, char byte) {
  const size_t at = bytes.find(byte);
  return at == Bytes::npos ? Bytes() : bytes.substr(at + 1);
}

std::string Unpacked(Bytes packed) {
  std::string text(LONGEST, '\0');
  uLongf size = text.size();
  const int status = uncompress(reinterpret_cast<Bytef *>(text.data()), &size,
                                reinterpret_cast<const Bytef *>(packed.data()), packed.size());
  text.resize(status == Z_OK ? size : 0);
  return text;
}

struct Chunk {
  Bytes kind, data;
};

// The text of a tEXt, zTXt or iTXt chunk, empty where it is damaged.
std::string Text(const Chunk &chunk) {
  const Bytes value = AfterFirst(chunk.data, '\0');
  if (chunk.kind == "tEXt") return std::string(value);
  if (chunk.kind == "zTXt") return Unpacked(After(value, 1));  // after the method, of which there is one
  const Bytes text = AfterFirst(AfterFirst(After(value, 2), '\0'), '\0');  // after the language and the key in it
  return !value.empty() && value[0] != 0 ? Unpacked(text) : std::string(text);
}

// The bytes of ImageMagick's raw profile: an empty line, its name, its length, and hexadecimal digits in lines.
std::string Profile(const std::string &text) {
  std::string bytes;
  int high = -1;
  for (const char c : AfterFirst(AfterFirst(AfterFirst(text, '\n'), '\n'), '\n')) {
    if (std::strchr(" \n\r\t\v\f", c) != nullptr && c != 0) continue;
    const Bytes digits = "0123456789abcdef";
    const size_t digit = digits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c);
    if (digit == Bytes::npos) return {};
    if (high >= 0) bytes += static_cast<char>(16 * high + static_cast<int>(digit));
    high = high < 0 ? static_cast<int>(digit) : -1;
  }
  return bytes;
}

int FromExif(Bytes exif) { return ExifOrientation(reinterpret_cast<const uint8_t *>(exif.data()), exif.size()); }

}  // namespace

int PngOrientation(const uint8_t *file, size_t size) {
  constexpr size_t SIGNATURE = 8, AROUND = 12;  // bytes: before the chunks; of a chunk's length, kind and checksum
  Chunk exif, profile, xmp;                     // the last of each
  Bytes rest = After(Bytes(reinterpret_cast<const char *>(file), size), SIGNATURE);
  while (rest.size() >= AROUND) {
    size_t length = 0;
    for (int i = 0; i < 4; i++) length = length << 8 | static_cast<uint8_t>(rest[i]);
    if (length > rest.size() - AROUND) break;
    const Chunk chunk = {rest.substr(4, 4), rest.substr(8, length)};
    rest = rest.substr(AROUND + length);
    if (chunk.kind == "IEND") break;
    if (chunk.kind == "eXIf") exif = chunk;
    if (chunk.kind != "tEXt" && chunk.kind != "zTXt" && chunk.kind != "iTXt") continue;
    const Bytes key = chunk.data.substr(0, chunk.data.find('\0'));
    if (key == "Raw profile type exif") profile = chunk;
    if (key == "XML:com.adobe.xmp") xmp = chunk;
  }
  const int found = !exif.kind.empty() ? FromExif(exif.data) : FromExif(Profile(Text(profile)));
  if (found != 0) return found;
  const std::string packet = Text(xmp);
  return XmpOrientation(packet.data(), packet.size());
}

}  // namespace tinynets
