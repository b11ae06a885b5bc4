// Memory between the tensors: one growing buffer a thread and purpose, kept, because fresh pages cost more than many a
// kernel.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace tinynets {

enum Purpose {
  WEIGHTS,
  WEIGHTS_BACK,
  PARTS,
  SUMS,
  COEFFICIENTS,
  COEFFICIENTS_IN,
  BLOCK,
  BLOCK_BACK,
  MAP,
  MAP_SLOPE,
  MAP_BACK,
  ADDING,
  PURPOSES
};

constexpr size_t LINE = 16;  // floats

// At least n floats of undefined content, the calling thread's own until it asks for the same purpose again.
inline float *scratch(Purpose purpose, size_t n) {
  struct Buffer {
    std::unique_ptr<float[]> data;
    float *aligned = nullptr;  // to a cache line
    size_t size = 0;
  };
  static thread_local Buffer buffers[PURPOSES];
  Buffer &buffer = buffers[purpose];
  if (buffer.size < n) {
    buffer.data.reset();
    buffer.size = 0;  // should there be no memory
    buffer.data.reset(new float[n + 2 * LINE]);
    buffer.aligned = buffer.data.get() + LINE - reinterpret_cast<uintptr_t>(buffer.data.get()) / sizeof(float) % LINE;
    buffer.size = n;
  }
  return buffer.aligned;
}

// n sums of the thread's own, from zero: what is added to all the time must not share a cache line with another
// thread's.
inline float *zeros(size_t n) {
  float *sums = scratch(ADDING, n);
  std::fill(sums, sums + n, 0.f);
  return sums;
}

}  // namespace tinynets
