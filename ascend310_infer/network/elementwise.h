#pragma once

#include <cstddef>

namespace tinynets {

// Whether this processor has what the functions below are made of (AVX-512); do not call them where it has not.
bool HasElementwise();

// y = x sigmoid(x) and y = sigmoid(x) of n values, to 5e-7 relative where |x| <= 20.
void Silu(const float *x, float *y, size_t n);
void Sigmoid(const float *x, float *y, size_t n);

// y = x + other of n values.
void Add(const float *x, const float *other, float *y, size_t n);

// y[r][c] = x[r][c] gate[c] of `rows` rows of n values.
void Gate(const float *x, const float *gate, float *y, size_t rows, size_t n);

// mean[c] = the mean of x[r][c] over the rows.
void Mean(const float *x, float *mean, size_t rows, size_t n);

}  // namespace tinynets
