// The arguments of an operator called by MindSpore (ops.Custom, func_type "aot"): pointers and shapes of all inputs,
// then of all outputs.
#pragma once
#include <cstdint>
#include <cstdio>
#include <exception>

namespace tinynets {

struct Call {
  int count;
  void **data;
  int *ranks;
  int64_t **shapes;
  const float *in(int i) const { return static_cast<const float *>(data[i]); }
  float *out(int i) const { return static_cast<float *>(data[i]); }
  const int64_t *shape(int i) const { return shapes[i]; }
  int64_t size(int i) const {
    int64_t n = 1;
    for (int d = 0; d < ranks[i]; d++) n *= shapes[i][d];
    return n;
  }
};

}  // namespace tinynets

// Exports a function of a Call as extern "C" `name`. An exception, for lack of memory, becomes a line and a return
// value from which the framework makes an error.
#define TINYNETS_OPERATOR(name, function)                                                                          \
  extern "C" __attribute__((visibility("default"))) int name(int count, void **data, int *ranks, int64_t **shapes, \
                                                             const char **, void *, void *) {                      \
    try {                                                                                                          \
      function(tinynets::Call{count, data, ranks, shapes});                                                        \
      return 0;                                                                                                    \
    } catch (const std::exception &error) {                                                                        \
      std::fprintf(stderr, "%s: %s\n", #name, error.what());                                                       \
      return 1;                                                                                                    \
    }                                                                                                              \
  }
