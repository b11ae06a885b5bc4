#pragma once

#pragma GCC diagnostic push
#ifndef __clang__  // GCC 12 takes the header's "undefined" vectors for mistakes (its bug 105593)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop
