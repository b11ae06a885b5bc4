#pragma once

#include <stdexcept>
#include <string>

namespace tinynets {

// A user's mistake: one line, exit code 2.
struct UserError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// An image that cannot be used: named, skipped and counted.
struct ImageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace tinynets
