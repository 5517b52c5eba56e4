#include "ops/linear.h"

#include <algorithm>

#include "base/check.h"
#include "base/cpu.h"
#include "kernels/decode/decode.h"
#include "kernels/dot/dot.h"
#include "kernels/qdot/qdot.h"
#include "ops/gemm.h"
#include "ops/scratch.h"
#include "quant/blocks.h"

namespace pelton {

struct LinearWeight::Packed {
  QdotFormat format;
  int64_t block_count;  // K / 32
  int64_t tile_count;   // N / 16, rounded up
  AlignedArray<std::byte> tiles;
};

struct LinearInput::Quantised {
  AlignedArray<QdotActivation> blocks;  // [M, K / 32]
};

namespace {

// Below so many multiplications a parallel region costs more than it saves.
constexpr int64_t kParallelWorkMin = 32 * 1024;

int64_t padded_to_cache_line(int64_t floats) {
  constexpr int64_t kLineFloats = kCacheLineBytes / sizeof(float);
  return (floats + kLineFloats - 1) / kLineFloats * kLineFloats;
}

// --- kF32: weights decoded as they lie in the file.

// The weight itself where it is already in F32. Files do not promise alignment.
const float* floats_in_place(const Tensor& weight) {
  if (weight.type() != ElementType::kF32) return nullptr;
  if (reinterpret_cast<uintptr_t>(weight.data()) % alignof(float) != 0) return nullptr;
  return weight.floats();
}

// Few rows: each row of the weight is decoded once and multiplied with all rows of x while it is in L1.
void linear_by_dots(Executor& executor, const LinearInput& x, const Tensor& weight, float* y) {
  const int64_t output_size = weight.shape()[0];
  const int64_t input_size = weight.shape()[1];
  const float* in_place = floats_in_place(weight);
  const DotKernels& kernels = dot_kernels(active_isa());
  const DecodeFunction decode = decode_kernel(active_isa(), weight.type());
  static thread_local Scratch<float> scratch;
  const int64_t row_floats = padded_to_cache_line(input_size);
  float* rows_of_threads = scratch.reserve(row_floats * executor.thread_count());
  executor.parallel([&](int thread, int thread_count) {
    float* decoded = rows_of_threads + thread * row_floats;
    const Range range = split_range(output_size, 16, thread, thread_count);
    for (int64_t n = range.begin; n < range.end; ++n) {
      const float* row = in_place == nullptr ? decoded : in_place + n * input_size;
      if (in_place == nullptr) decode(weight.row(n), decoded, input_size);
      kernels.dot_rows(row, input_size, {x.rows(), input_size, x.row_count(), y + n, output_size});
    }
  });
}

// One for all bodies below.
float* reserve_panel(int64_t floats) {
  static thread_local Scratch<float> scratch;
  return scratch.reserve(floats);
}

// Calls body(first_row, row_count, floats [row_count, K]) for the weight cut into panels that fit into L2 and L3.
template <typename Body>
void for_each_decoded_panel(Executor& executor, const Tensor& weight, Body body) {
  const int64_t output_size = weight.shape()[0];
  const int64_t input_size = weight.shape()[1];
  if (const float* in_place = floats_in_place(weight)) return body(0, output_size, in_place);
  constexpr int64_t kPanelFloats = 1 << 20;
  const int64_t panel_rows = std::clamp<int64_t>(kPanelFloats / input_size / 16 * 16, 16, output_size);
  float* panel = reserve_panel(panel_rows * input_size);
  const DecodeFunction decode = decode_kernel(active_isa(), weight.type());
  for (int64_t first = 0; first < output_size; first += panel_rows) {
    const int64_t row_count = std::min(panel_rows, output_size - first);
    executor.parallel_for(row_count, 4, [&](Range range) {
      decode(weight.row(first + range.begin), panel + range.begin * input_size, (range.end - range.begin) * input_size);
    });
    body(first, row_count, panel);
  }
}

void linear_by_gemm(Executor& executor, const LinearInput& x, const Tensor& weight, float* y) {
  for_each_decoded_panel(executor, weight, [&](int64_t first_row, int64_t row_count, const float* panel) {
    const GemmShape shape = {.m = x.row_count(),
                             .n = row_count,
                             .k = x.column_count(),
                             .is_b_transposed = true,
                             .c_stride = weight.shape()[0]};
    gemm_f32(executor, shape, x.rows(), panel, y + first_row);
  });
}

// --- kInt8: packed weights.

void linear_int8(Executor& executor, LinearInput& x, const LinearWeight::Packed& weight, int64_t output_size,
                 float* y) {
  const QdotKernels& kernels = qdot_kernels(active_isa());
  const size_t format = static_cast<size_t>(weight.format);
  const QdotProduct whole = {
      .tiles = weight.tiles.data(),
      .block_count = weight.block_count,
      .tile_begin = 0,
      .tile_end = weight.tile_count,
      .activations = x.quantised(executor).blocks.data(),
      .row_count = x.row_count(),
      .y = y,
      .column_count = output_size,
  };
  const auto run = [&](int thread, int thread_count) {
    const Range tiles = split_range(weight.tile_count, 1, thread, thread_count);
    QdotProduct part = whole;
    part.tile_begin = tiles.begin;
    part.tile_end = tiles.end;
    kernels.multiply[format](part);
  };
  if (x.row_count() * x.column_count() * output_size < kParallelWorkMin) {
    run(0, 1);
  } else {
    executor.parallel(run);
  }
}

}  // namespace

LinearWeight::LinearWeight(Executor& executor, Tensor weight, ActivationType activations) : weight_(std::move(weight)) {
  CHECK(weight_.shape().rank() == 2 && input_size() > 0 && can_decode(weight_.type()));
  const std::optional<QdotFormat> format = qdot_format(weight_.type());
  if (activations != ActivationType::kInt8 || !format.has_value()) return;

  auto packed = std::make_shared<Packed>();
  packed->format = *format;
  packed->block_count = input_size() / kQdotBlockValues;
  packed->tile_count = (output_size() + kQdotTileRows - 1) / kQdotTileRows;
  const int64_t tile_bytes = qdot_tile_bytes(*format, packed->block_count);
  packed->tiles = AlignedArray<std::byte>(static_cast<size_t>(packed->tile_count * tile_bytes));
  executor.parallel_for(packed->tile_count, 1, [&](Range tiles) {
    for (int64_t tile = tiles.begin; tile < tiles.end; ++tile) {
      const int64_t first_row = tile * kQdotTileRows;
      qdot_pack_tile(weight_.type(), weight_.row(first_row), std::min(kQdotTileRows, output_size() - first_row),
                     packed->block_count, packed->tiles.data() + tile * tile_bytes);
    }
  });
  packed_ = std::move(packed);
}

ActivationType LinearWeight::activations() const {
  return packed_ == nullptr ? ActivationType::kF32 : ActivationType::kInt8;
}

int64_t LinearWeight::traffic_bytes() const {
  return packed_ == nullptr ? weight_.size_bytes() : static_cast<int64_t>(packed_->tiles.size());
}

LinearInput::LinearInput() = default;
LinearInput::~LinearInput() = default;
LinearInput::LinearInput(LinearInput&&) noexcept = default;
LinearInput& LinearInput::operator=(LinearInput&&) noexcept = default;

void LinearInput::set(const float* x, int64_t rows, int64_t columns) {
  x_ = x;
  row_count_ = rows;
  column_count_ = columns;
  is_quantised_ = false;
}

const LinearInput::Quantised& LinearInput::quantised(Executor& executor) {
  if (is_quantised_) return *quantised_;
  CHECK(column_count_ % kQdotBlockValues == 0);
  const int64_t blocks_per_row = column_count_ / kQdotBlockValues;
  const size_t block_count = static_cast<size_t>(row_count_ * blocks_per_row);
  if (quantised_ == nullptr) quantised_ = std::make_unique<Quantised>();
  if (quantised_->blocks.size() < block_count) quantised_->blocks = AlignedArray<QdotActivation>(block_count);
  const QdotKernels& kernels = qdot_kernels(active_isa());
  const int64_t grain_rows = std::max<int64_t>(1, kParallelWorkMin / 2 / column_count_);
  executor.parallel_for(row_count_, grain_rows, [&](Range rows) {
    kernels.quantise(x_ + rows.begin * column_count_, (rows.end - rows.begin) * column_count_,
                     quantised_->blocks.data() + rows.begin * blocks_per_row);
  });
  is_quantised_ = true;
  return *quantised_;
}

void linear(Executor& executor, LinearInput& x, const LinearWeight& weight, float* y) {
  CHECK(x.column_count() == weight.input_size());
  if (x.row_count() == 0) return;
  // From so many rows on a GEMM over decoded panels is faster than dot products.
  constexpr int64_t kGemmRowCountMin = 8;
  if (weight.packed() != nullptr) {
    linear_int8(executor, x, *weight.packed(), weight.output_size(), y);
  } else if (x.row_count() < kGemmRowCountMin) {
    linear_by_dots(executor, x, weight.tensor(), y);
  } else {
    linear_by_gemm(executor, x, weight.tensor(), y);
  }
}

void linear_backward_input(Executor& executor, const float* d_y, const Tensor& weight, int64_t rows, float* d_x) {
  const int64_t output_size = weight.shape()[0];
  const int64_t input_size = weight.shape()[1];
  for_each_decoded_panel(executor, weight, [&](int64_t first_row, int64_t row_count, const float* panel) {
    const GemmShape shape = {
        .m = rows, .n = input_size, .k = row_count, .beta = first_row == 0 ? 0.0f : 1.0f, .a_stride = output_size};
    gemm_f32(executor, shape, d_y + first_row, panel, d_x);
  });
}

void linear_backward_weight(Executor& executor, const float* x, const float* d_y, int64_t rows, int64_t input_size,
                            int64_t output_size, float* d_weight) {
  const GemmShape shape = {.m = output_size, .n = input_size, .k = rows, .is_a_transposed = true, .beta = 1};
  gemm_f32(executor, shape, d_y, x, d_weight);
}

}  // namespace pelton
