#pragma once

#include <string>

namespace tinynets {

// SHA-256 of a file, hexadecimal. Throws UserError where it cannot be read.
std::string FileHash(const std::string &path);

}  // namespace tinynets
