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

}  // namespace tinynets
