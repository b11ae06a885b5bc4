#pragma once

#pragma GCC diagnostic push
#ifndef __clang__  // GCC 12 warns of the header's "undefined" vectors (its bug 105593)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop
