#pragma once

#include <string>

namespace tinynets {

// A line with its control characters, and bytes that are no UTF-8, as escapes (\x1b): in names from others' files they
// could steer the terminal.
std::string Printable(const std::string &text);

// The same of a message, without its middle where it is longer than a few lines: it may quote a user's file.
std::string Line(const std::string &text);

bool IsUtf8(const std::string &text);

}  // namespace tinynets
