// The kernels by AVX2.
#include "kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <algorithm>
#include <utility>

#include "avx2.h"

namespace tinynets {
namespace avx2 {
namespace {

#include "tile.inc"
#include "row.inc"
#include "elementwise.inc"

}  // namespace
}  // namespace avx2

const Kernels *Avx2() { return avx2::IsThere() ? &avx2::KERNELS : nullptr; }

}  // namespace tinynets

#else

const tinynets::Kernels *tinynets::Avx2() { return nullptr; }

#endif
