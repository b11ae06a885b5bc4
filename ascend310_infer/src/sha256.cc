#include "sha256.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <vector>

#include "error.h"

namespace tinynets {
namespace {

// FIPS 180-4: the first 32 bits of the fractions of the roots of the first primes.
uint32_t Fraction(long double root) { return static_cast<uint32_t>((root - std::floor(root)) * 4294967296.0L); }

struct Constants {
  std::array<uint32_t, 8> start;
  std::array<uint32_t, 64> round;

  Constants() {
    size_t count = 0;
    for (int n = 2; count < round.size(); n++) {
      bool prime = true;
      for (int d = 2; d * d <= n; d++) prime = prime && n % d != 0;
      if (!prime) continue;
      if (count < start.size()) start[count] = Fraction(std::sqrt(static_cast<long double>(n)));
      round[count++] = Fraction(std::cbrt(static_cast<long double>(n)));
    }
  }
};

uint32_t Rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

void Mix(const Constants &constants, const uint8_t *block, std::array<uint32_t, 8> *state) {
  uint32_t w[64];
  for (int i = 0; i < 16; i++) {
    w[i] = uint32_t{block[4 * i]} << 24 | uint32_t{block[4 * i + 1]} << 16 | uint32_t{block[4 * i + 2]} << 8 |
           block[4 * i + 3];
  }
  for (int i = 16; i < 64; i++) {
    const uint32_t s0 = Rotate(w[i - 15], 7) ^ Rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
    const uint32_t s1 = Rotate(w[i - 2], 17) ^ Rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = *state;
  for (int i = 0; i < 64; i++) {
    const uint32_t s1 = Rotate(e, 6) ^ Rotate(e, 11) ^ Rotate(e, 25);
    const uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + constants.round[i] + w[i];
    const uint32_t s0 = Rotate(a, 2) ^ Rotate(a, 13) ^ Rotate(a, 22);
    const uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  const std::array<uint32_t, 8> mixed = {a, b, c, d, e, f, g, h};
  for (size_t i = 0; i < 8; i++) (*state)[i] += mixed[i];
}

}  // namespace

std::string FileHash(const std::string &path) {
  constexpr size_t BLOCK = 64;
  const Constants constants;
  auto state = constants.start;
  std::ifstream file(path, std::ios::binary);
  std::vector<uint8_t> buffer(BLOCK << 14);
  uint64_t total = 0;
  for (bool last = false; !last;) {
    file.read(reinterpret_cast<char *>(buffer.data()), static_cast<std::streamsize>(buffer.size()));
    size_t got = static_cast<size_t>(file.gcount());
    total += got;
    last = got < buffer.size();
    if (last) {  // a one, zeros, and the length in bits end the last block
      const size_t padded = (got + 8) / BLOCK * BLOCK + BLOCK;
      buffer.resize(got);
      buffer.resize(padded);
      buffer[got] = 0x80;
      for (int i = 0; i < 8; i++) buffer[padded - 1 - i] = static_cast<uint8_t>(total * 8 >> 8 * i);
      got = padded;
    }
    for (size_t at = 0; at < got; at += BLOCK) Mix(constants, &buffer[at], &state);
  }
  if (file.bad() || !file.eof()) throw UserError(path + ": cannot be read");
  std::string text;
  for (const uint32_t word : state) {
    for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[word >> shift & 15];
  }
  return text;
}

}  // namespace tinynets
