// The kernels by AVX-512.
#include "kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <algorithm>
#include <utility>

#include "avx512.h"

namespace tinynets {
namespace avx512 {
namespace {

#include "tile.inc"
#include "row.inc"
#include "elementwise.inc"

}  // namespace
}  // namespace avx512

const Kernels *Avx512() { return avx512::IsThere() ? &avx512::KERNELS : nullptr; }

}  // namespace tinynets

#else

const tinynets::Kernels *tinynets::Avx512() { return nullptr; }

#endif
