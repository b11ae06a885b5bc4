// Cases in, outputs out: kernel, stride, channels, height, width as int32, then weights, bias and x as float32.
#include <cstdint>
#include <cstdio>
#include <vector>

#include "depthwise.h"
#include "elementwise.h"

int main() {
  if (!tinynets::HasElementwise()) return 3;
  int32_t n[5];
  while (std::fread(n, sizeof n, 1, stdin) == 1) {
    const size_t kernel = n[0], stride = n[1], channels = n[2], height = n[3], width = n[4];
    std::vector<float> weights(channels * kernel * kernel), bias(channels), x(height * width * channels);
    for (auto *part : {&weights, &bias, &x}) {
      if (std::fread(part->data(), sizeof(float), part->size(), stdin) != part->size()) return 1;
    }
    std::vector<float> y(((height - 1) / stride + 1) * ((width - 1) / stride + 1) * channels);
    tinynets::Depthwise(kernel, stride, channels, weights.data(), bias.data())(x.data(), height, width, y.data());
    std::fwrite(y.data(), sizeof(float), y.size(), stdout);
  }
}
