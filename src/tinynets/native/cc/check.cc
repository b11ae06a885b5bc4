// A short computation with a known result, run once on every new build to check that this processor can run it.
#include "activation.h"
#include "matmul.h"

extern "C" __attribute__((visibility("default"))) int tinynets_check() {
  using namespace tinynets;
  constexpr int N = 3 * LANES + 1, K = 5;
  float a[K], b[K * N], packed[K * 4 * LANES * 2], c[N];
  for (int i = 0; i < K; i++) a[i] = static_cast<float>(i + 1);
  for (int i = 0; i < K * N; i++) b[i] = static_cast<float>(i % 7);
  const Panels panels(N);
  for (int p = 0; p < panels.count; p++) pack(panels, p, b, K, N, 1, packed);
  matmul(a, K, 1, K, panels, packed, c, N);
  for (int n = 0; n < N; n++) {
    float sum = 0;
    for (int k = 0; k < K; k++) sum += a[k] * b[k * N + n];
    if (sum != c[n]) return 1;  // integers: exact in any order
  }
  const Full half = Sigmoid::value(Full{});
  return half[0] > 0.499999f && half[0] < 0.500001f ? 0 : 1;
}
