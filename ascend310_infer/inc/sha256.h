#pragma once

#include <string>

namespace tinynets {

// The SHA-256 of a file in hexadecimal. Throws UserError if it cannot be read.
std::string FileHash(const std::string &path);

}  // namespace tinynets
