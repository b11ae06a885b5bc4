// AVX-512 in functions that are marked AVX512, whatever the rest of the program is compiled for; AVX512 is defined where
// the compiler and the processor's family can have it.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__)
#pragma GCC diagnostic push
#ifndef __clang__  // GCC 12 takes the header's "undefined" vectors for mistakes (its bug 105593)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop

#define AVX512 __attribute__((target("avx512f,avx512dq")))
#endif
