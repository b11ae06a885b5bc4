// Resizes what tests/deploy/test_resize.py sends: from standard input, case after case, the numbers below and the
// pixels.
#include <cstdio>

#include "orientation.h"
#include "resize.h"

int main() {
  int32_t n[8];  // width and height in the file, orientation; upright and resized width and height; left, top, side
  while (std::fread(n, sizeof n, 1, stdin) == 1) {
    tinynets::Image image(n[0], n[1]);
    image.orientation = n[2];
    if (std::fread(image.rgb.get(), size_t{3} * n[0] * n[1], 1, stdin) != 1) return 1;
    const auto square = tinynets::ResizeAndCut(Upright(image), n[3], n[4], n[5], n[6], n[7]);
    for (int y = 0; y < n[7]; y++) std::fwrite(&square.rgb[square.stride * y], size_t{3} * n[7], 1, stdout);
  }
  return 0;
}
