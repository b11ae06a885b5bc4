// Temporary memory: one growing buffer per thread and purpose, which is kept, as new pages cost more than many kernels.
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

// Returns at least n uninitialised floats, which belong to the calling thread until its next call with this purpose.
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
    buffer.size = 0;  // in case the allocation fails
    buffer.data.reset(new float[n + 2 * LINE]);
    buffer.aligned = buffer.data.get() + LINE - reinterpret_cast<uintptr_t>(buffer.data.get()) / sizeof(float) % LINE;
    buffer.size = n;
  }
  return buffer.aligned;
}

// Returns n zeros for the thread's own sums, which must not share a cache line with another thread's.
inline float *zeros(size_t n) {
  float *sums = scratch(ADDING, n);
  std::fill(sums, sums + n, 0.f);
  return sums;
}

}  // namespace tinynets
