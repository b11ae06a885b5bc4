// Cases in, outputs out, by the kernels that the argument names. A case is ten int32: what (0 a convolution, 1 a
// depthwise one, 2 a pointwise one with SiLU, then a depthwise one), kernel, stride, inputs, outputs, height, width,
// the activation, the one of the sum with a residual (-1: there is no residual), totals (0 or 1); then, as float32,
// weights, bias, for 2 the depthwise weights and bias, x, and the residual where there is one.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <vector>

#include "convolution.h"
#include "depthwise.h"
#include "expansion.h"
#include "kernels.h"

using namespace tinynets;

namespace {

bool Read(std::vector<float> *values) {
  return std::fread(values->data(), sizeof(float), values->size(), stdin) == values->size();
}

}  // namespace

int main(int, char **argv) {
  const Kernels *const found = FindKernels(argv[1] == nullptr ? "" : argv[1]);
  if (found == nullptr) return 3;
  const Kernels &kernels = *found;
  int32_t n[10];
  while (std::fread(n, sizeof n, 1, stdin) == 1) {
    const size_t kernel = n[1], stride = n[2], inputs = n[3], outputs = n[4], height = n[5], width = n[6];
    const size_t pixels = ((height - 1) / stride + 1) * ((width - 1) / stride + 1), taps = kernel * kernel;
    std::vector<float> weights(n[0] == 0 ? outputs * taps * inputs : n[0] == 1 ? outputs * taps : outputs * inputs);
    std::vector<float> bias(outputs), depthwise(n[0] == 2 ? outputs * taps : 0), after(n[0] == 2 ? outputs : 0);
    std::vector<float> x(height * width * inputs), residual(n[8] >= 0 ? pixels * outputs : 0), y(pixels * outputs);
    std::vector<float> totals((outputs + 15) / 16 * 16);
    for (auto *part : {&weights, &bias, &depthwise, &after, &x, &residual}) {
      if (!Read(part)) return 1;
    }
    Finish finish;
    finish.activation = static_cast<Activation>(n[7]);
    if (n[8] >= 0) finish = {finish.activation, residual.data(), static_cast<Activation>(n[8]), nullptr};
    if (n[9]) finish.total = totals.data();
    // In three shares, like three threads.
    std::vector<float> all(totals.size());
    for (size_t part = 0; part < 3; part++) {
      const Share share = {part, 3};
      Scratch scratch;
      std::fill(totals.begin(), totals.end(), 0.f);
      if (n[0] == 0) {
        const auto from = static_cast<ptrdiff_t>(inputs), row = static_cast<ptrdiff_t>(width * inputs);
        Convolution(kernels, kernel, stride, inputs, outputs, weights.data(), bias.data())(
            x.data(), height, width, {row, from, 1}, y.data(), finish, share, &scratch);
      } else if (n[0] == 1) {
        Depthwise(kernels, kernel, stride, outputs, weights.data(), bias.data())(x.data(), height, width, y.data(),
                                                                                 finish, share, &scratch);
      } else {
        Expansion(std::make_shared<const Convolution>(kernels, 1, 1, inputs, outputs, weights.data(), bias.data()),
                  Activation::SILU,
                  std::make_shared<const Depthwise>(kernels, kernel, stride, outputs, depthwise.data(), after.data()))(
            x.data(), height, width, y.data(), finish, share, &scratch);
      }
      for (size_t c = 0; c < all.size(); c++) all[c] += totals[c];
    }
    std::fwrite(y.data(), sizeof(float), y.size(), stdout);
    std::fwrite(all.data(), sizeof(float), n[9] ? outputs : 0, stdout);
  }
}
