// The largest singular values of a matrix and their vectors, and an orthonormal basis of columns.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/executor.h"
#include "tensor/tensor.h"

namespace pelton {

// matrix ≈ left · diag(values) · right
struct TruncatedSvd {
  Tensor left;                // [N, R], F32; columns are orthonormal, or zero where the matrix has no such rank
  std::vector<float> values;  // R, falling
  Tensor right;               // [R, K], F32; rows likewise
};

// Of an F32 matrix [N, K], 1 <= rank <= min(N, K): by random projections onto twice as many directions as are asked
// for, sixteen more at least, and sixteen power iterations (Halko, Martinsson, Tropp 2011, arXiv 0909.4061,
// algorithms 4.4 and 5.1); exact where these are all directions that there are. The same numbers for any number of
// threads.
TruncatedSvd truncated_svd(Executor& executor, const Tensor& matrix, int64_t rank, uint64_t seed);

// In place: the rows of an F32 matrix [R, K], each made orthogonal to those before it and of length 1 (Gram and
// Schmidt, twice); a row that the others span becomes zero.
void orthonormalise_rows(Executor& executor, Tensor& matrix);

}  // namespace pelton
