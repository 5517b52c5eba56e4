#include "ops/linear.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <vector>

#include "base/check.h"
#include "base/cpu.h"
#include "kernels/decode/decode.h"
#include "kernels/elementwise/elementwise.h"
#include "ops/adapter_terms.h"
#include "ops/column_product.h"
#include "ops/gemm.h"
#include "quant/blocks.h"

namespace pelton {
namespace {

// --- kF32: weights decoded as they lie in the file.

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

int64_t multiplications(const LinearInput& x, const LinearWeight& weight) {
  return x.row_count() * x.column_count() * weight.output_size();
}

// Matrices laid end to end, cut into parts of nearly the same bytes, each boundary between units of kColumnGrain
// columns.
class SharedCut {
 public:
  void add(const LinearWeight& weight) {
    Piece piece{.unit_count = (weight.output_size() + kColumnGrain - 1) / kColumnGrain,
                .column_count = weight.output_size(),
                .cost_begin = cost_};
    piece.unit_cost = std::max<int64_t>(1, weight.traffic_bytes() / piece.unit_count);
    cost_ += piece.unit_cost * piece.unit_count;
    pieces_[count_++] = piece;
  }

  // Of the matrix that was added as the index-th.
  Range columns(size_t index, int part, int part_count) const {
    const Piece& piece = pieces_[index];
    return {boundary(piece, cost_ * part / part_count), boundary(piece, cost_ * (part + 1) / part_count)};
  }

  static constexpr size_t kPieceCountMax = 4;

 private:
  struct Piece {
    int64_t unit_count;
    int64_t column_count;
    int64_t cost_begin;
    int64_t unit_cost = 0;
  };

  static int64_t boundary(const Piece& piece, int64_t cost) {
    const int64_t within = std::max<int64_t>(0, cost - piece.cost_begin);
    const int64_t unit = std::min((within + piece.unit_cost - 1) / piece.unit_cost, piece.unit_count);
    return std::min(unit * kColumnGrain, piece.column_count);
  }

  std::array<Piece, kPieceCountMax> pieces_;
  size_t count_ = 0;
  int64_t cost_ = 0;
};

int64_t unit_count(const LinearProduct& product) {
  if (product.unit_width == 0) return 0;
  CHECK(product.weight->output_size() % product.unit_width == 0);
  return product.weight->output_size() / product.unit_width;
}

// How many columns of each unit have been made: whoever makes the last one knows by it.
class UnitCounts {
 public:
  explicit UnitCounts(std::span<const LinearProduct> products) : products_(products) {
    int64_t count = 0;
    for (size_t i = 0; i < products.size(); ++i) {
      first_units_[i] = count;
      count += unit_count(products[i]);
    }
    static thread_local Scratch<int64_t> scratch;
    made_ = scratch.reserve(count);
    std::fill_n(made_, count, 0);
  }

  // By whoever has made these columns of the product, all rows of them.
  void add(size_t product, Range columns, FinishUnit finish) const {
    const int64_t width = products_[product].unit_width;
    if (width == 0 || columns.begin == columns.end) return;
    for (int64_t unit = columns.begin / width; unit * width < columns.end; ++unit) {
      const int64_t count = std::min(columns.end, (unit + 1) * width) - std::max(columns.begin, unit * width);
      // Released with what this thread has written, acquired with what the others have.
      const std::atomic_ref<int64_t> made(made_[first_units_[product] + unit]);
      if (made.fetch_add(count, std::memory_order_acq_rel) + count == width) finish(product, unit);
    }
  }

 private:
  std::span<const LinearProduct> products_;
  std::array<int64_t, SharedCut::kPieceCountMax> first_units_{};
  int64_t* made_;
};

}  // namespace

LinearWeight::LinearWeight(Executor& executor, Tensor weight, ActivationType activations) : weight_(std::move(weight)) {
  CHECK(weight_.shape().rank() == 2 && input_size() > 0 && can_decode(weight_.type()));
  CHECK(activations != ActivationType::kBF16);
  const ElementType type = weight_.type();
  const std::optional<QdotFormat> format = qdot_format(type);
  if (activations != ActivationType::kInt8 || !(format.has_value() || has_half_tiles(type))) return;

  auto packed = std::make_shared<Packed>();
  packed->format = format;
  packed->tile_count = (output_size() + kQdotTileRows - 1) / kQdotTileRows;
  const int64_t block_count = input_size() / kQdotBlockValues;
  const int64_t tile_bytes = format.has_value() ? qdot_tile_bytes(*format, block_count) : half_tile_bytes(input_size());
  packed->tiles = AlignedArray<std::byte>(static_cast<size_t>(packed->tile_count * tile_bytes));
  executor.parallel_for(packed->tile_count, 1, [&](Range tiles) {
    for (int64_t index = tiles.begin; index < tiles.end; ++index) {
      const int64_t first_row = index * kQdotTileRows;
      const int64_t row_count = std::min(kQdotTileRows, output_size() - first_row);
      std::byte* tile = packed->tiles.data() + index * tile_bytes;
      if (format.has_value()) {
        qdot_pack_tile(type, weight_.row(first_row), row_count, block_count, tile);
      } else {
        half_pack_tile(type, weight_.row(first_row), row_count, input_size(), tile);
      }
    }
  });
  packed_ = std::move(packed);
}

LinearWeight LinearWeight::rounded(Executor& executor, const Tensor& weight, Orientation orientation) {
  const int64_t rows = weight.shape()[0];
  const int64_t columns = weight.shape()[1];
  const bool is_transposed = orientation == Orientation::kTransposed;
  const Shape shape = is_transposed ? Shape{columns, rows} : Shape{rows, columns};
  const int64_t input_size = shape[1];
  auto packed = std::make_shared<Packed>();
  packed->tile_count = (shape[0] + kHalfTileRows - 1) / kHalfTileRows;
  const int64_t tile_bytes = half_tile_bytes(input_size);
  packed->tiles = AlignedArray<std::byte>(static_cast<size_t>(packed->tile_count * tile_bytes));

  // A tile's rows at a time, so that the matrix is nowhere whole in float32.
  const DecodeFunction decode = decode_kernel(active_isa(), weight.type());
  const EncodeFunction encode = encode_function(ElementType::kBF16);
  const int64_t block = info(weight.type()).block_elements;
  const int64_t values_each = padded_to_cache_line(kHalfTileRows * input_size);
  const int64_t part_each = padded_to_cache_line(kHalfTileRows + 2 * block);
  const auto thread_count = static_cast<size_t>(executor.thread_count());
  std::vector<float> all_values(thread_count * static_cast<size_t>(values_each));
  std::vector<float> all_parts(thread_count * static_cast<size_t>(part_each));
  std::vector<uint16_t> all_rounded(all_values.size());
  executor.parallel([&](int thread, int threads) {
    float* values = all_values.data() + thread * values_each;
    float* part = all_parts.data() + thread * part_each;
    auto* rounded = reinterpret_cast<std::byte*>(all_rounded.data() + thread * values_each);
    const Range tiles = split_range(packed->tile_count, 1, thread, threads);
    for (int64_t tile = tiles.begin; tile < tiles.end; ++tile) {
      const int64_t first = tile * kHalfTileRows;
      const int64_t count = std::min(kHalfTileRows, shape[0] - first);
      if (!is_transposed) {
        decode(weight.row(first), values, count * columns);
      } else {
        // Of each row the blocks that hold these columns.
        const int64_t begin = first / block * block;
        const int64_t end = (first + count + block - 1) / block * block;
        for (int64_t row = 0; row < rows; ++row) {
          decode(weight.row(row) + bytes_of(weight.type(), begin), part, end - begin);
          for (int64_t i = 0; i < count; ++i) values[i * rows + row] = part[first - begin + i];
        }
      }
      encode(values, rounded, count * input_size);
      half_pack_tile(ElementType::kBF16, rounded, count, input_size, packed->tiles.data() + tile * tile_bytes);
    }
  });
  LinearWeight result;
  result.weight_ = Tensor(ElementType::kBF16, shape, nullptr, nullptr);
  result.packed_ = std::move(packed);
  return result;
}

ActivationType activations_for(ElementType weight, ActivationType wanted) {
  if (wanted != ActivationType::kInt8) return wanted;
  if (weight == ElementType::kBF16) return ActivationType::kBF16;
  return qdot_format(weight).has_value() ? ActivationType::kInt8 : ActivationType::kF32;
}

ActivationType LinearWeight::activations() const {
  return packed_ == nullptr ? ActivationType::kF32 : activations_for(weight_.type(), ActivationType::kInt8);
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
  is_rounded_ = false;
}

const LinearInput::Quantised& LinearInput::quantised(Executor& executor) {
  if (is_quantised_) return *quantised_;
  start_quantising();
  const int64_t grain_rows = std::max<int64_t>(1, kParallelWorkMin / 2 / column_count_);
  executor.parallel_for(row_count_, grain_rows, [&](Range rows) { quantise(rows, {0, column_count_}); });
  return *quantised_;
}

void LinearInput::start_quantising() {
  CHECK(column_count_ % kQdotBlockValues == 0);
  const size_t block_count = static_cast<size_t>(row_count_ * (column_count_ / kQdotBlockValues));
  if (quantised_ == nullptr) quantised_ = std::make_unique<Quantised>();
  if (quantised_->blocks.size() < block_count) quantised_->blocks = AlignedArray<QdotActivation>(block_count);
  is_quantised_ = true;
}

void LinearInput::quantise(Range rows, Range columns) {
  DCHECK(is_quantised_ && columns.begin % kQdotBlockValues == 0 && columns.end % kQdotBlockValues == 0);
  const QdotKernels& kernels = qdot_kernels(active_isa());
  const int64_t blocks_per_row = column_count_ / kQdotBlockValues;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    kernels.quantise(x_ + row * column_count_ + columns.begin, columns.end - columns.begin,
                     quantised_->blocks.data() + row * blocks_per_row + columns.begin / kQdotBlockValues);
  }
}

const LinearInput::Rounded& LinearInput::rounded(Executor& executor) {
  if (is_rounded_) return *rounded_;
  const int64_t stride = rounded_stride(column_count_);
  const size_t value_count = static_cast<size_t>(row_count_ * stride);
  if (rounded_ == nullptr) rounded_ = std::make_unique<Rounded>();
  if (rounded_->values.size() < value_count) rounded_->values = AlignedArray<uint16_t>(value_count);
  const HalfKernels& kernels = half_kernels(active_isa());
  const int64_t grain_rows = std::max<int64_t>(1, kParallelWorkMin / 2 / column_count_);
  executor.parallel_for(row_count_, grain_rows, [&](Range rows) {
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      uint16_t* values = rounded_->values.data() + row * stride;
      kernels.round(x_ + row * column_count_, column_count_, values);
      std::fill(values + column_count_, values + stride, uint16_t{0});
    }
  });
  is_rounded_ = true;
  return *rounded_;
}

std::string_view linear_path_name(LinearPath path) {
  switch (path) {
    case LinearPath::kTiles:
      return "tiles";
    case LinearPath::kDots:
      return "dots";
    case LinearPath::kGemm:
      return "gemm";
  }
  PELTON_UNREACHABLE();
}

LinearPath linear_path(const LinearWeight& weight) {
  return weight.packed() != nullptr ? LinearPath::kTiles : LinearPath::kDots;
}

void linear_by(Executor& executor, LinearInput& x, const LinearWeight& weight, LinearPath path, float* y) {
  CHECK(x.column_count() == weight.input_size());
  if (x.row_count() == 0) return;
  if (path == LinearPath::kGemm) return linear_by_gemm(executor, x, weight.tensor(), y);
  CHECK(path == linear_path(weight));
  linear(executor, x, weight, y);
}

void linear(Executor& executor, LinearInput& x, const LinearWeight& weight, float* y,
            std::span<const AdaptedRows> adapted) {
  const LinearProduct product{.weight = &weight, .y = y, .adapted = adapted};
  linear_group(executor, x, {&product, 1});
}

void linear_group(Executor& executor, LinearInput& x, std::span<const LinearProduct> products) {
  linear_group(executor, x, products, [](size_t, int64_t) {});
}

void linear_group(Executor& executor, LinearInput& x, std::span<const LinearProduct> products, FinishUnit finish) {
  CHECK(products.size() <= SharedCut::kPieceCountMax);
  if (x.row_count() == 0) return;
  std::array<ColumnProduct, SharedCut::kPieceCountMax> parts;
  std::array<std::span<const AdaptedRows>, SharedCut::kPieceCountMax> adapted;
  SharedCut cut;
  int64_t work = 0;
  int64_t floats_each = 0;
  for (size_t i = 0; i < products.size(); ++i) {
    const LinearProduct& product = products[i];
    const LinearWeight& weight = *product.weight;
    CHECK(x.column_count() == weight.input_size());
    adapted[i] = product.adapted;
    parts[i] = column_product(executor, AdapterTerms::input(executor, x, i, adapted[i]), weight, product.y);
    cut.add(weight);
    work += multiplications(x, weight);
    floats_each = std::max(floats_each, decoded_floats(weight));
  }
  const DecodedRows decoded(executor, floats_each);
  const AdapterTerms terms(executor, x, std::span(adapted).first(products.size()));
  const UnitCounts units(products);
  parallel_if_worth(executor, work, [&](int thread, int thread_count) {
    for (size_t i = 0; i < products.size(); ++i) {
      const Range columns = cut.columns(i, thread, thread_count);
      multiply_columns(parts[i], columns, decoded.of(thread));
      terms.add(i, parts[i], columns, thread);
      units.add(i, columns, finish);
    }
  });
}

void gated_linear(Executor& executor, LinearInput& x, const GatedProduct& product, float* y, LinearInput* y_input) {
  const LinearWeight& gate = *product.gate;
  const LinearWeight& up = *product.up;
  const int64_t row_count = x.row_count();
  const int64_t width = up.output_size();
  CHECK(x.column_count() == gate.input_size() && x.column_count() == up.input_size() && gate.output_size() == width);
  if (row_count == 0) return;
  static thread_local Scratch<float> scratch;
  const std::array adapted = {product.gate_adapted, product.up_adapted};
  LinearInput& gate_input = AdapterTerms::input(executor, x, 0, adapted[0]);
  LinearInput& up_input = AdapterTerms::input(executor, x, 1, adapted[1]);
  const ColumnProduct gate_product = column_product(executor, gate_input, gate, nullptr);
  const ColumnProduct up_product = column_product(executor, up_input, up, nullptr);
  const DecodedRows decoded(executor, std::max(decoded_floats(gate), decoded_floats(up)));
  const AdapterTerms terms(executor, x, adapted);
  // A block of y's int8 form must not fall to two threads.
  const int64_t columns_at_once = block_columns(row_count, kQdotBlockValues);
  const int64_t block_floats = row_count * columns_at_once;
  float* blocks = scratch.reserve(executor.thread_count() * 2 * block_floats);
  if (y_input != nullptr) y_input->start_quantising();
  parallel_if_worth(executor, multiplications(x, gate) + multiplications(x, up), [&](int thread, int thread_count) {
    float* gates = blocks + thread * 2 * block_floats;
    float* ups = gates + block_floats;
    const Range mine = split_range(width, kQdotBlockValues, thread, thread_count);
    for (int64_t begin = mine.begin; begin < mine.end; begin += columns_at_once) {
      const Range columns{begin, std::min(begin + columns_at_once, mine.end)};
      const int64_t count = columns.end - columns.begin;
      const ColumnProduct gate_block = block_of(gate_product, columns, gates);
      const ColumnProduct up_block = block_of(up_product, columns, ups);
      multiply_columns(gate_block, columns, decoded.of(thread));
      terms.add(0, gate_block, columns, thread);
      multiply_columns(up_block, columns, decoded.of(thread));
      terms.add(1, up_block, columns, thread);
      for (int64_t row = 0; row < row_count; ++row) {
        gate_here(product.f, gates + row * count, ups + row * count, count, y + row * width + begin);
        if (y_input != nullptr) y_input->quantise({row, row + 1}, columns);
      }
    }
  });
}

namespace {

// Groups of rows, each with a weight of its own, laid end to end: what a thread's share of the whole is. All weights
// have as many columns, which come in units of `grain`.
class GroupCut {
 public:
  GroupCut(std::span<const Range> groups, int64_t column_count, int64_t grain)
      : groups_(groups), column_count_(column_count), grain_(grain), unit_count_((column_count + grain - 1) / grain) {
    for (const Range& rows : groups) cost_ += unit_cost(rows) * unit_count_;
  }

  // body(group, columns) for each group of which the thread has columns.
  template <typename Body>
  void for_part(int part, int part_count, const Body& body) const {
    const int64_t begin = cost_ * part / part_count;
    const int64_t end = cost_ * (part + 1) / part_count;
    int64_t before = 0;
    for (size_t group = 0; group < groups_.size() && before < end; ++group) {
      const int64_t unit = unit_cost(groups_[group]);
      const int64_t after = before + unit * unit_count_;
      const auto boundary = [&](int64_t cost) {
        const int64_t within = std::clamp<int64_t>(cost - before, 0, after - before);
        return unit == 0 ? 0 : std::min((within + unit - 1) / unit * grain_, column_count_);
      };
      const Range columns{boundary(begin), boundary(end)};
      if (columns.begin < columns.end) body(group, columns);
      before = after;
    }
  }

 private:
  // A weight is read once for all its rows, which takes as long as some rows' multiplications.
  static int64_t unit_cost(const Range& rows) {
    constexpr int64_t kRowsAReadCosts = 4;
    return rows.begin == rows.end ? 0 : rows.end - rows.begin + kRowsAReadCosts;
  }

  std::span<const Range> groups_;
  int64_t column_count_;
  int64_t grain_;
  int64_t unit_count_;
  int64_t cost_ = 0;
};

void check_groups(const LinearInput& x, std::span<const Range> groups, size_t weight_count) {
  CHECK(groups.size() == weight_count);
  int64_t row = 0;
  for (const Range& rows : groups) {
    CHECK(rows.begin == row && rows.end >= row);
    row = rows.end;
  }
  CHECK(row == x.row_count());
}

void add_bias_here(const Tensor& bias, Range columns, int64_t row_count, int64_t row_stride, float* y) {
  if (bias.is_empty()) return;
  const ElementwiseKernels& kernels = elementwise_kernels(active_isa());
  const int64_t count = columns.end - columns.begin;
  for (int64_t row = 0; row < row_count; ++row) {
    kernels.add(y + row * row_stride, bias.floats() + columns.begin, count, y + row * row_stride);
  }
}

// Makes the forms of x that the weight reads, so that in a region column_product() only looks them up.
void make_forms(Executor& executor, LinearInput& x, const LinearWeight& weight) {
  CHECK(weight.input_size() == x.column_count());
  static_cast<void>(column_product(executor, x, weight, nullptr));
}

}  // namespace

void linear_by_group(Executor& executor, LinearInput& x, std::span<const Range> groups,
                     std::span<const BiasedWeight> weights, float* y) {
  check_groups(x, groups, weights.size());
  if (x.row_count() == 0) return;
  const int64_t column_count = weights[0].weight->output_size();
  int64_t floats_each = 0;
  for (const BiasedWeight& biased : weights) {
    CHECK(biased.weight->output_size() == column_count);
    make_forms(executor, x, *biased.weight);
    floats_each = std::max(floats_each, decoded_floats(*biased.weight));
  }
  const DecodedRows decoded(executor, floats_each);
  const GroupCut cut(groups, column_count, kColumnGrain);
  parallel_if_worth(executor, multiplications(x, *weights[0].weight), [&](int thread, int thread_count) {
    cut.for_part(thread, thread_count, [&](size_t group, Range columns) {
      const BiasedWeight& biased = weights[group];
      const ColumnProduct product = rows_of(column_product(executor, x, *biased.weight, y), groups[group]);
      multiply_columns(product, columns, decoded.of(thread));
      add_bias_here(biased.bias, columns, product.row_count, column_count, product.y + columns.begin);
    });
  });
}

void gated_linear_by_group(Executor& executor, LinearInput& x, std::span<const Range> groups,
                           std::span<const GatedWeights> weights, const GateFunction& f, float* y,
                           LinearInput* y_input) {
  check_groups(x, groups, weights.size());
  if (x.row_count() == 0) return;
  const int64_t width = weights[0].up.weight->output_size();
  int64_t floats_each = 0;
  for (const GatedWeights& pair : weights) {
    for (const LinearWeight* weight : {pair.gate.weight, pair.up.weight}) {
      CHECK(weight->output_size() == width);
      make_forms(executor, x, *weight);
      floats_each = std::max(floats_each, decoded_floats(*weight));
    }
  }
  static thread_local Scratch<float> scratch;
  const DecodedRows decoded(executor, floats_each);
  // Room for the largest group that these rows could make, so that no cut of them needs more than another.
  const int64_t block_floats = std::max(kBlockFloats, x.row_count() * kQdotBlockValues);
  float* blocks = scratch.reserve(executor.thread_count() * 2 * block_floats);
  if (y_input != nullptr) y_input->start_quantising();
  // A block of y's int8 form must not fall to two threads.
  const GroupCut cut(groups, width, kQdotBlockValues);
  parallel_if_worth(executor, 2 * multiplications(x, *weights[0].up.weight), [&](int thread, int thread_count) {
    float* gates = blocks + thread * 2 * block_floats;
    float* ups = gates + block_floats;
    cut.for_part(thread, thread_count, [&](size_t group, Range mine) {
      const GatedWeights& pair = weights[group];
      const Range rows = groups[group];
      const int64_t row_count = rows.end - rows.begin;
      const ColumnProduct gate = rows_of(column_product(executor, x, *pair.gate.weight, nullptr), rows);
      const ColumnProduct up = rows_of(column_product(executor, x, *pair.up.weight, nullptr), rows);
      const int64_t columns_at_once = block_columns(row_count, kQdotBlockValues);
      for (int64_t begin = mine.begin; begin < mine.end; begin += columns_at_once) {
        const Range columns{begin, std::min(begin + columns_at_once, mine.end)};
        const int64_t count = columns.end - columns.begin;
        multiply_columns(block_of(gate, columns, gates), columns, decoded.of(thread));
        multiply_columns(block_of(up, columns, ups), columns, decoded.of(thread));
        add_bias_here(pair.gate.bias, columns, row_count, count, gates);
        add_bias_here(pair.up.bias, columns, row_count, count, ups);
        for (int64_t row = 0; row < row_count; ++row) {
          gate_here(f, gates + row * count, ups + row * count, count, y + (rows.begin + row) * width + begin);
          if (y_input != nullptr) y_input->quantise({rows.begin + row, rows.begin + row + 1}, columns);
        }
      }
    });
  });
}

void linear_largest(Executor& executor, LinearInput& x, const LinearWeight& weight, int64_t count, LargestRows& largest,
                    std::span<const AdaptedRows> adapted) {
  CHECK(x.column_count() == weight.input_size());
  const int64_t row_count = x.row_count();
  const int64_t column_count = weight.output_size();
  static thread_local Scratch<float> scratch;
  if (row_count == 0) return largest.start(0, count, 1);
  largest.start(row_count, count, executor.thread_count());
  const int64_t columns_at_once = block_columns(row_count, kColumnGrain);
  float* blocks = scratch.reserve(executor.thread_count() * row_count * columns_at_once);
  const ColumnProduct product = column_product(executor, AdapterTerms::input(executor, x, 0, adapted), weight, nullptr);
  const DecodedRows decoded(executor, decoded_floats(weight));
  const AdapterTerms terms(executor, x, {&adapted, 1});
  parallel_if_worth(executor, multiplications(x, weight), [&](int thread, int thread_count) {
    const Range mine = split_range(column_count, kColumnGrain, thread, thread_count);
    for (int64_t begin = mine.begin; begin < mine.end; begin += columns_at_once) {
      const Range columns{begin, std::min(begin + columns_at_once, mine.end)};
      const ColumnProduct block = block_of(product, columns, blocks + thread * row_count * columns_at_once);
      multiply_columns(block, columns, decoded.of(thread));
      terms.add(0, block, columns, thread);
      largest.add(thread, block.y, block.y_stride, columns);
    }
  });
  largest.finish(executor);
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
