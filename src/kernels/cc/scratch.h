// Memory between the tensors: one growing buffer a thread and purpose, kept, because fresh pages cost more than many a kernel.
#pragma once
#include <cstddef>
#include <memory>

namespace tinynets {

enum Purpose { WEIGHTS, WEIGHTS_BACK, PARTS, SUMS, COEFFICIENTS, COEFFICIENTS_IN, BLOCK, BLOCK_BACK, MAP, MAP_SLOPE, MAP_BACK, PURPOSES };

// At least n floats of undefined content, the calling thread's own until it asks for the same purpose again.
inline float *scratch(Purpose purpose, size_t n) {
  struct Buffer {
    std::unique_ptr<float[]> data;
    size_t size = 0;
  };
  static thread_local Buffer buffers[PURPOSES];
  Buffer &buffer = buffers[purpose];
  if (buffer.size < n) {
    buffer.data.reset();
    buffer.data.reset(new float[n]);
    buffer.size = n;
  }
  return buffer.data.get();
}

}  // namespace tinynets
