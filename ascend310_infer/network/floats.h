#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace tinynets {

// Floats aligned to cache lines, so that a vector of 16 is one line.
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

  // Returns memory for `size` floats; the content is lost if it grows.
  static float *Room(Floats *floats, size_t size) {
    if (floats->size() < size) *floats = Floats(size);
    return floats->data();
  }
};

// One thread's part of the work, which is divided into one part per thread.
struct Share {
  size_t part = 0, parts = 1;

  // The first of `whole` pieces of work in this part; it ends where the next part begins.
  size_t Begin(size_t whole) const { return whole * part / parts; }
  size_t End(size_t whole) const { return whole * (part + 1) / parts; }
};

}  // namespace tinynets
