#include "ops/norm.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/norm/norm.h"
#include "ops/elementwise.h"
#include "ops/grain.h"
#include "ops/scratch.h"

namespace pelton {
namespace {

// For gradients of weights each thread owns columns and walks all rows, so that the order of the sums does not depend
// on the thread count.
constexpr int64_t kColumnGrain = 16;  // a cache line

}  // namespace

void rms_norm(Executor& executor, const float* x, const float* weight, float epsilon, int64_t row_count, int64_t width,
              float* y) {
  const NormKernels& kernels = norm_kernels(active_isa());
  executor.parallel_for(row_count, parallel_grain(row_count, 2 * width), [&](Range rows) {
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      const float* in = x + row * width;
      kernels.scale(in, kernels.inverse_rms(in, epsilon, width), weight, width, y + row * width);
    }
  });
}

void residual_norm(Executor& executor, const ResidualNorm& pass) {
  CHECK((pass.b == nullptr) == (pass.sum == nullptr));
  const NormKernels& kernels = norm_kernels(active_isa());
  const ElementwiseKernels& elementwise = elementwise_kernels(active_isa());
  const int64_t width = pass.width;
  if (pass.quantised != nullptr) pass.quantised->start_quantising();
  constexpr int64_t kOperationsOfAnElement = 4;  // a sum, a norm of two, a rounding
  executor.parallel_for(
      pass.row_count, parallel_grain(pass.row_count, kOperationsOfAnElement * width), [&](Range rows) {
        for (int64_t row = rows.begin; row < rows.end; ++row) {
          const float* x = pass.a + row * width;
          if (pass.b != nullptr) {
            float* sum = pass.sum + row * width;
            elementwise.add(x, pass.b + row * width, width, sum);
            x = sum;
          }
          kernels.scale(x, kernels.inverse_rms(x, pass.epsilon, width), pass.weight, width, pass.y + row * width);
          if (pass.quantised != nullptr) pass.quantised->quantise({row, row + 1}, {0, width});
        }
      });
}

void rms_norm_backward(Executor& executor, const float* x, const float* weight, float epsilon, const float* d_y,
                       int64_t row_count, int64_t width, const RmsNormGradients& gradients) {
  const NormKernels& kernels = norm_kernels(active_isa());
  static thread_local Scratch<float> scratch;
  float* inverse_rms = scratch.reserve(row_count);
  const int64_t row_grain = parallel_grain(row_count, 4 * width);
  executor.parallel_for(row_count, row_grain, [&](Range rows) {
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      inverse_rms[row] = kernels.inverse_rms(x + row * width, epsilon, width);
    }
  });

  if (gradients.d_weight != nullptr) {
    executor.parallel_for(width, parallel_grain(width, 2 * row_count, kColumnGrain), [&](Range columns) {
      for (int64_t row = 0; row < row_count; ++row) {
        const int64_t first = row * width + columns.begin;
        kernels.accumulate_weight(x + first, inverse_rms[row], d_y + first, columns.end - columns.begin,
                                  gradients.d_weight + columns.begin);
      }
    });
  }
  // Last, because d_x may be d_y.
  executor.parallel_for(row_count, row_grain, [&](Range rows) {
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      const int64_t first = row * width;
      kernels.backward(x + first, inverse_rms[row], weight, d_y + first, width, gradients.d_x + first);
    }
  });
}

void layer_norm(Executor& executor, const LayerNorm& pass, float* y) {
  const NormKernels& kernels = norm_kernels(active_isa());
  const int64_t width = pass.part_width;
  executor.parallel_for(pass.part_count(), parallel_grain(pass.part_count(), 4 * width), [&](Range parts) {
    for (int64_t part = parts.begin; part < parts.end; ++part) {
      const float* x = pass.x + part * width;
      const int64_t first = part % pass.parts_per_row() * width;
      const RowMoments moments = kernels.moments(x, pass.epsilon, width);
      kernels.standardise(x, moments, pass.weight + first, pass.bias + first, width, y + part * width);
    }
  });
}

void layer_norm_backward(Executor& executor, const LayerNorm& pass, const float* d_y,
                         const LayerNormGradients& gradients) {
  const NormKernels& kernels = norm_kernels(active_isa());
  static thread_local Scratch<RowMoments> scratch;
  RowMoments* moments = scratch.reserve(pass.part_count());
  const int64_t width = pass.part_width;
  const int64_t parts_per_row = pass.parts_per_row();
  const int64_t part_grain = parallel_grain(pass.part_count(), 4 * width);
  executor.parallel_for(pass.part_count(), part_grain, [&](Range parts) {
    for (int64_t part = parts.begin; part < parts.end; ++part) {
      moments[part] = kernels.moments(pass.x + part * width, pass.epsilon, width);
    }
  });

  if (gradients.d_bias != nullptr) {
    add_bias_backward(executor, d_y, pass.row_count, pass.width, gradients.d_bias);
  }
  if (gradients.d_weight != nullptr) {
    executor.parallel_for(pass.width, parallel_grain(pass.width, 2 * pass.row_count, kColumnGrain), [&](Range columns) {
      for (int64_t row = 0; row < pass.row_count; ++row) {
        for (int64_t first = columns.begin, end = 0; first < columns.end; first = end) {
          const int64_t part = first / width;
          end = std::min(columns.end, (part + 1) * width);
          kernels.accumulate_standardised(pass.x + row * pass.width + first, moments[row * parts_per_row + part],
                                          d_y + row * pass.width + first, end - first, gradients.d_weight + first);
        }
      }
    });
  }
  // Last, because d_x may be d_y.
  executor.parallel_for(pass.part_count(), part_grain, [&](Range parts) {
    for (int64_t part = parts.begin; part < parts.end; ++part) {
      kernels.standardise_backward(pass.x + part * width, moments[part], pass.weight + part % parts_per_row * width,
                                   d_y + part * width, width, gradients.d_x + part * width);
    }
  });
}

}  // namespace pelton
