// The peak of a thread of this processor: GFLOP/s of multiplications and additions of float32 vectors in registers, the
// best of several tries. Compile with -O3 -march=native.
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "../src/tinynets/native/cc/vec.h"

int main() {
  constexpr int SUMS = 12, STEPS = 1000000, FLOATS = tinynets::LANES;
  double best = 0;
  volatile float used = 0;
  for (int attempt = 0; attempt < 30; attempt++) {
    tinynets::Full sum[SUMS] = {}, scale = {};
    scale += 0.5f;
    for (int i = 0; i < SUMS; i++) sum[i] += static_cast<float>(i);  // so that they differ
    const auto begun = std::chrono::steady_clock::now();
    for (int step = 0; step < STEPS; step++) {
#pragma GCC unroll 16
      for (int i = 0; i < SUMS; i++) sum[i] = sum[i] * scale + scale;
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    for (const tinynets::Full &one : sum) used = used + one[0];  // otherwise the compiler removes the work
    best = std::max(best, 2.0 * SUMS * STEPS * FLOATS / seconds / 1e9);
  }
  std::printf("%.1f\n", best);
}
