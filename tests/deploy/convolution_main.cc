// Cases in, outputs out: a convolution as kernel, stride, inputs, outputs, height, width, SiLU and residual (0 or 1) as
// int32, then weights, bias, x and, where there is one, the residual as float32.
#include <cstdint>
#include <cstdio>
#include <vector>

#include "convolution.h"
#include "elementwise.h"

int main() {
  if (!tinynets::HasElementwise()) return 3;
  int32_t n[8];
  while (std::fread(n, sizeof n, 1, stdin) == 1) {
    const size_t kernel = n[0], stride = n[1], inputs = n[2], outputs = n[3], height = n[4], width = n[5];
    const size_t made = ((height - 1) / stride + 1) * ((width - 1) / stride + 1) * outputs;
    std::vector<float> weights(outputs * kernel * kernel * inputs), bias(outputs), x(height * width * inputs);
    std::vector<float> residual(n[7] ? made : 0), y(made);
    for (auto *part : {&weights, &bias, &x, &residual}) {
      if (std::fread(part->data(), sizeof(float), part->size(), stdin) != part->size()) return 1;
    }
    tinynets::Convolution convolve(kernel, stride, inputs, outputs, weights.data(), bias.data());
    convolve(x.data(), height, width, y.data(), {n[6] != 0, n[7] ? residual.data() : nullptr, nullptr});
    std::fwrite(y.data(), sizeof(float), y.size(), stdout);
  }
}
