// Softmax on Vec; compiled once per ISA.
#pragma once

#include "kernels/softmax/softmax.h"
#include "kernels/vec.h"

namespace pelton {
namespace {

float maximum(const float* x, int64_t count) {
  Vec largest = splat(x[0]);
  int64_t i = 0;
  for (; i + Vec::kWidth <= count; i += Vec::kWidth) largest = max(largest, load(x + i));
  float result = reduce_max(largest);
  for (; i < count; ++i) result = x[i] > result ? x[i] : result;
  return result;
}

double sum_exp(const float* x, float shift, int64_t count) {
  double sum = 0;
  for (int64_t begin = 0; begin < count; begin += kSoftmaxBlock) {
    const int64_t length = count - begin < kSoftmaxBlock ? count - begin : kSoftmaxBlock;
    Vec block = splat(0);
    int64_t i = begin;
    for (; i + Vec::kWidth <= begin + length; i += Vec::kWidth) block = block + exp(load(x + i) - splat(shift));
    const int64_t rest = begin + length - i;
    if (rest > 0) block = block + keep_first(exp(load_first(x + i, rest) - splat(shift)), rest, splat(0));
    sum += static_cast<double>(reduce_sum(block));
  }
  return sum;
}

void subtract(const float* x, float shift, int64_t count, float* y) {
  for_each_vec(count, [&](auto read, auto write) { write(y, read(x) - splat(shift)); });
}

void scaled_exp(const float* x, float shift, float factor, int64_t count, float* y) {
  for_each_vec(count, [&](auto read, auto write) { write(y, exp(read(x) - splat(shift)) * splat(factor)); });
}

constexpr SoftmaxKernels kKernels = {maximum, sum_exp, subtract, scaled_exp};

}  // namespace
}  // namespace pelton
