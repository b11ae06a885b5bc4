#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace tinynets {

// Floats that begin with a cache line, where a vector of 16 of them is one line.
class Floats {
 public:
  Floats() = default;
  explicit Floats(size_t size) : size_(size) {
    constexpr size_t LINE = 64;
    const size_t bytes = (size * sizeof(float) + LINE - 1) / LINE * LINE;
    data_.reset(static_cast<float *>(std::aligned_alloc(LINE, std::max(bytes, LINE))));
    if (data_ == nullptr) throw std::bad_alloc();
    std::fill_n(data_.get(), size, 0.f);
  }

  float *data() const { return data_.get(); }
  size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(float *data) const { std::free(data); }
  };
  std::unique_ptr<float, Free> data_;
  size_t size_ = 0;
};

// Memory that one thread uses while it computes.
struct Scratch {
  Floats values, totals;

  // Room for some floats; what was there is lost where it must grow.
  static float *Room(Floats *floats, size_t size) {
    if (floats->size() < size) *floats = Floats(size);
    return floats->data();
  }
};

// A part of the work, of as many parts as threads share it.
struct Share {
  size_t part = 0, parts = 1;

  // Where it begins in `whole` pieces of work; it ends where the next one begins.
  size_t Begin(size_t whole) const { return whole * part / parts; }
  size_t End(size_t whole) const { return whole * (part + 1) / parts; }
};

}  // namespace tinynets
