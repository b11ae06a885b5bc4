#include "printable.h"

#include <cstdint>
#include <cstdio>

namespace tinynets {
namespace {

// The number of bytes of the UTF-8 character at `at`, 0 if there is none.
size_t Length(const std::string &text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(at);
  const size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (text.size() - at < length) return 0;
  for (size_t i = 1; i < length; i++) {
    if ((byte(at + i) & 0xc0) != 0x80) return 0;
  }
  const uint8_t second = length > 2 ? byte(at + 1) : 0;  // for overlong forms, surrogates and past U+10FFFF
  if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0) || (lead == 0xf0 && second < 0x90) ||
      (lead == 0xf4 && second >= 0x90)) {
    return 0;
  }
  return length;
}

// U+2028 to U+202E and U+2066 to U+2069: they break a line or change the direction of writing.
bool IsSeparator(const std::string &text, size_t at) {
  const std::string end = text.substr(at, 3);
  return (end >= "\xe2\x80\xa8" && end <= "\xe2\x80\xae") || (end >= "\xe2\x81\xa6" && end <= "\xe2\x81\xa9");
}

std::string Escape(uint8_t value) {
  char escape[8];
  std::snprintf(escape, sizeof escape, "\\x%02x", value);
  return escape;
}

}  // namespace

bool IsUtf8(const std::string &text) {
  for (size_t at = 0, length = 0; at < text.size(); at += length) {
    length = Length(text, at);
    if (length == 0) return false;
  }
  return true;
}

std::string Printable(const std::string &text) {
  std::string shown;
  for (size_t at = 0, length = 0; at < text.size(); at += length) {
    length = Length(text, at);
    const uint8_t first = static_cast<uint8_t>(text[at]);
    if (length == 0 || (length == 1 && (first < 0x20 || first == 0x7f))) {
      shown += Escape(first);
      length = 1;
    } else if (length == 2 && first == 0xc2 && static_cast<uint8_t>(text[at + 1]) < 0xa0) {  // U+0080 to U+009F
      shown += Escape(static_cast<uint8_t>(text[at + 1]));
    } else if (length == 3 && IsSeparator(text, at)) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u20%02x",
                    (static_cast<uint8_t>(text[at + 1]) & 3) << 6 | (static_cast<uint8_t>(text[at + 2]) & 0x3f));
      shown += escape;
    } else {
      shown.append(text, at, length);
    }
  }
  return shown;
}

std::string Line(const std::string &text) {
  constexpr size_t LONGEST = 600, START = 400, END = 150;  // bytes
  if (text.size() <= LONGEST) return Printable(text);
  const auto boundary = [&](size_t at) {  // where a character begins
    for (int i = 0; i < 3 && (static_cast<uint8_t>(text[at]) & 0xc0) == 0x80; i++) at--;
    return at;
  };
  return Printable(text.substr(0, boundary(START))) + "..." + Printable(text.substr(boundary(text.size() - END)));
}

}  // namespace tinynets
