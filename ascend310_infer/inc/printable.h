#pragma once

#include <string>

namespace tinynets {

// A text with control characters, and bytes that are not UTF-8, as escapes (\x1b): in untrusted names they could
// control the terminal.
std::string Printable(const std::string &text);

// The same for a message, with the middle of a long one left out, as it may quote a user's file.
std::string Line(const std::string &text);

bool IsUtf8(const std::string &text);

}  // namespace tinynets
