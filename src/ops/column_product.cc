#include "ops/column_product.h"

#include "base/cpu.h"
#include "kernels/decode/decode.h"
#include "kernels/dot/dot.h"

namespace pelton {
namespace {

// Of a weight without tiles a thread decodes so many rows at once.
constexpr int64_t kDecodedColumns = 16;

// The tile of y's first column.
const std::byte* first_tile(const ColumnProduct& product, const LinearWeight::Packed& packed) {
  const int64_t tile_bytes = static_cast<int64_t>(packed.tiles.size()) / packed.tile_count;
  return packed.tiles.data() + product.first_column / kQdotTileRows * tile_bytes;
}

// `tiles` are counted from that one on.
void multiply_integers(const ColumnProduct& product, const LinearWeight::Packed& packed, Range tiles) {
  qdot_kernels(active_isa())
      .multiply[static_cast<size_t>(*packed.format)]({
          .tiles = first_tile(product, packed),
          .block_count = product.weight->input_size() / kQdotBlockValues,
          .tile_begin = tiles.begin,
          .tile_end = tiles.end,
          .activations = product.blocks,
          .row_count = product.row_count,
          .y = product.y,
          .column_count = product.y_stride,
      });
}

template <typename Activation>
HalfProduct<Activation> half_product(const ColumnProduct& product, const LinearWeight::Packed& packed, Range tiles,
                                     const Activation* activations) {
  return {
      .tiles = first_tile(product, packed),
      .input_size = product.weight->input_size(),
      .tile_begin = tiles.begin,
      .tile_end = tiles.end,
      .activations = activations,
      .row_count = product.row_count,
      .y = product.y,
      .column_count = product.y_stride,
  };
}

void multiply_packed(const ColumnProduct& product, const LinearWeight::Packed& packed, Range columns) {
  const int64_t first = product.first_column;
  const Range tiles{(columns.begin - first) / kQdotTileRows, (columns.end - first + kQdotTileRows - 1) / kQdotTileRows};
  const HalfKernels& half = half_kernels(active_isa());
  if (packed.format.has_value()) {
    multiply_integers(product, packed, tiles);
  } else if (product.weight->activations() == ActivationType::kBF16) {
    half.multiply_bf16(half_product(product, packed, tiles, product.rounded));
  } else {
    half.multiply_f16(half_product(product, packed, tiles, product.x));
  }
}

// Rows of the weight are decoded some at a time and multiplied with rows of x that stay in L2.
void multiply_decoded(const ColumnProduct& product, Range columns, float* decoded) {
  const Tensor& weight = product.weight->tensor();
  const int64_t input_size = product.weight->input_size();
  const float* in_place = floats_in_place(weight);
  const DecodeFunction decode = decode_kernel(active_isa(), weight.type());
  const DotFunction dot = dot_kernel(active_isa());
  constexpr int64_t kRowsAtOnce = 512;
  // Few rows wait for the weights: what is decoded shall come from L1, and what lies in memory as one stream, which the
  // hardware fetches ahead.
  int64_t columns_at_once = kDecodedColumns;
  if (product.row_count < 8) columns_at_once = 4;
  if (product.row_count < 3 && in_place != nullptr) columns_at_once = 1;
  for (int64_t row = 0; row < product.row_count; row += kRowsAtOnce) {
    for (int64_t n = columns.begin; n < columns.end; n += columns_at_once) {
      const int64_t count = std::min(columns_at_once, columns.end - n);
      if (in_place == nullptr) decode(weight.row(n), decoded, count * input_size);
      dot({.weight = in_place == nullptr ? decoded : in_place + n * input_size,
           .weight_count = count,
           .x = product.x + row * input_size,
           .row_count = std::min(kRowsAtOnce, product.row_count - row),
           .count = input_size,
           .y = product.y + row * product.y_stride + n - product.first_column,
           .y_stride = product.y_stride});
    }
  }
}

}  // namespace

const float* floats_in_place(const Tensor& weight) {
  if (weight.type() != ElementType::kF32) return nullptr;
  if (reinterpret_cast<uintptr_t>(weight.data()) % alignof(float) != 0) return nullptr;
  return weight.floats();
}

ColumnProduct column_product(Executor& executor, LinearInput& x, const LinearWeight& weight, float* y) {
  ColumnProduct product{x.rows(), x.row_count(), &weight, y, weight.output_size()};
  if (weight.activations() == ActivationType::kInt8) product.blocks = x.quantised(executor).blocks.data();
  if (weight.activations() == ActivationType::kBF16) product.rounded = x.rounded(executor).values.data();
  return product;
}

ColumnProduct rows_of(const ColumnProduct& product, Range rows) {
  const int64_t input_size = product.weight->input_size();
  ColumnProduct part = product;
  part.x += rows.begin * input_size;
  part.row_count = rows.end - rows.begin;
  if (part.y != nullptr) part.y += rows.begin * part.y_stride;
  if (part.blocks != nullptr) part.blocks += rows.begin * (input_size / kQdotBlockValues);
  if (part.rounded != nullptr) part.rounded += rows.begin * rounded_stride(input_size);
  return part;
}

int64_t decoded_floats(const LinearWeight& weight) {
  return weight.packed() == nullptr ? weight.input_size() * kDecodedColumns : 0;
}

ColumnProduct block_of(const ColumnProduct& product, Range columns, float* y) {
  ColumnProduct block = product;
  block.y = y;
  block.y_stride = columns.end - columns.begin;
  block.first_column = columns.begin;
  return block;
}

void multiply_columns(const ColumnProduct& product, Range columns, float* decoded) {
  if (columns.begin == columns.end) return;
  if (const LinearWeight::Packed* packed = product.weight->packed()) {
    multiply_packed(product, *packed, columns);
  } else {
    multiply_decoded(product, columns, decoded);
  }
}

}  // namespace pelton
