#include "ops/gemm.h"

#include <algorithm>

#include "base/check.h"
#include "base/cpu.h"

#if defined(PELTON_ONEDNN)
#include <oneapi/dnnl/dnnl.h>

// OpenMP's own; declared here since clang's tools come without omp.h.
extern "C" void omp_set_num_threads(int count);
#endif

namespace pelton {
namespace {

// One block of C, for one thread. Strides are set; pointers are at the block.
using MultiplyBlock = void (*)(const GemmShape& block, const float* a, const float* b, float* c);

constexpr int64_t kTileRows = 32;
constexpr int64_t kTileColumns = 64;
constexpr int64_t kTileDepth = 64;

// Out of ThreadSanitizer's sight: watched, a whole model takes many minutes a test. That C is written by one thread is
// seen where multiply_plain() starts its rows.
#if defined(__SANITIZE_THREAD__)
[[gnu::no_sanitize_thread]]
#endif
void add_tile_product(const float (&a)[kTileRows][kTileDepth], const float (&b)[kTileDepth][kTileColumns], int64_t rows,
                      int64_t depth, int64_t columns, float* c, int64_t c_stride) {
  for (int64_t m = 0; m < rows; ++m) {
    float* row = c + m * c_stride;
    for (int64_t k = 0; k < depth; ++k) {
      for (int64_t n = 0; n < columns; ++n) row[n] += a[m][k] * b[k][n];
    }
  }
}

void multiply_plain(const GemmShape& block, const float* a, const float* b, float* c) {
  float a_tile[kTileRows][kTileDepth];
  float b_tile[kTileDepth][kTileColumns];
  for (int64_t m = 0; m < block.m; ++m) {
    float* row = c + m * block.c_stride;
    for (int64_t n = 0; n < block.n; ++n) row[n] = block.beta == 0.0f ? 0.0f : block.beta * row[n];
  }
  for (int64_t k0 = 0; k0 < block.k; k0 += kTileDepth) {
    const int64_t depth = std::min(kTileDepth, block.k - k0);
    for (int64_t n0 = 0; n0 < block.n; n0 += kTileColumns) {
      const int64_t columns = std::min(kTileColumns, block.n - n0);
      for (int64_t k = 0; k < depth; ++k) {
        for (int64_t n = 0; n < columns; ++n) {
          const int64_t at =
              block.is_b_transposed ? (n0 + n) * block.b_stride + k0 + k : (k0 + k) * block.b_stride + n0 + n;
          b_tile[k][n] = b[at];
        }
      }
      for (int64_t m0 = 0; m0 < block.m; m0 += kTileRows) {
        const int64_t rows = std::min(kTileRows, block.m - m0);
        for (int64_t m = 0; m < rows; ++m) {
          for (int64_t k = 0; k < depth; ++k) {
            const int64_t at =
                block.is_a_transposed ? (k0 + k) * block.a_stride + m0 + m : (m0 + m) * block.a_stride + k0 + k;
            a_tile[m][k] = a[at];
          }
        }
        add_tile_product(a_tile, b_tile, rows, depth, columns, c + m0 * block.c_stride + n0, block.c_stride);
      }
    }
  }
}

#if defined(PELTON_ONEDNN)
// oneDNN would open an OpenMP region of its own. The setting holds for the calling thread only, and stays.
void keep_onednn_on_this_thread() {
  static thread_local bool is_done = false;
  if (!is_done) omp_set_num_threads(1);
  is_done = true;
}

void multiply_onednn(const GemmShape& block, const float* a, const float* b, float* c) {
  keep_onednn_on_this_thread();
  const dnnl_status_t status =
      dnnl_sgemm(block.is_a_transposed ? 'T' : 'N', block.is_b_transposed ? 'T' : 'N', block.m, block.n, block.k, 1.0f,
                 a, block.a_stride, b, block.b_stride, block.beta, c, block.c_stride);
  CHECK(status == dnnl_success);
}
#endif

MultiplyBlock multiply_block() {
#if defined(PELTON_ONEDNN)
  if (active_isa() != Isa::kScalar) return multiply_onednn;
#endif
  return multiply_plain;
}

// Blocks of C: large, so that packing A and B for each is cheap; halved while there are too few to share among threads.
struct BlockSize {
  int64_t m;
  int64_t n;
};
BlockSize choose_block(const GemmShape& shape) {
  constexpr int64_t kBlockCountWanted = 8;
  constexpr int64_t kSizeMin = 48;
  BlockSize size{384, 384};
  const auto count = [&shape](BlockSize block) {
    return ((shape.m + block.m - 1) / block.m) * ((shape.n + block.n - 1) / block.n);
  };
  while (count(size) < kBlockCountWanted && std::max(size.m, size.n) > kSizeMin) {
    int64_t& larger = std::min(size.m, shape.m) > std::min(size.n, shape.n) ? size.m : size.n;
    if (larger <= kSizeMin) break;
    larger /= 2;
  }
  return size;
}

}  // namespace

void gemm_f32(Executor& executor, const GemmShape& shape, const float* a, const float* b, float* c) {
  if (shape.m <= 0 || shape.n <= 0) return;
  GemmShape whole = shape;
  if (whole.a_stride == 0) whole.a_stride = shape.is_a_transposed ? shape.m : shape.k;
  if (whole.b_stride == 0) whole.b_stride = shape.is_b_transposed ? shape.k : shape.n;
  if (whole.c_stride == 0) whole.c_stride = shape.n;

  // oneDNN refuses rows of no length.
  const MultiplyBlock multiply = shape.k == 0 ? multiply_plain : multiply_block();
  const BlockSize size = choose_block(shape);
  const int64_t blocks_m = (shape.m + size.m - 1) / size.m;
  const int64_t blocks_n = (shape.n + size.n - 1) / size.n;
  executor.parallel([&](int thread, int thread_count) {
    const Range range = split_range(blocks_m * blocks_n, 1, thread, thread_count);
    for (int64_t index = range.begin; index < range.end; ++index) {
      const int64_t m = index % blocks_m * size.m;
      const int64_t n = index / blocks_m * size.n;
      GemmShape block = whole;
      block.m = std::min(size.m, shape.m - m);
      block.n = std::min(size.n, shape.n - n);
      multiply(block, a + (shape.is_a_transposed ? m : m * whole.a_stride),
               b + (shape.is_b_transposed ? n * whole.b_stride : n), c + m * whole.c_stride + n);
    }
  });
}

}  // namespace pelton
