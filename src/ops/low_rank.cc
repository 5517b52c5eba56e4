#include "ops/low_rank.h"

#include <vector>

#include "base/check.h"
#include "base/cpu.h"
#include "kernels/elementwise/elementwise.h"

namespace pelton {

LowRankSums::LowRankSums(Executor& executor, LinearInput& x, std::span<const std::span<const LowRankRows>> products) {
  static thread_local std::vector<Group> groups;  // grows once
  static thread_local Scratch<float> low;
  static thread_local Scratch<uint16_t> rounded;
  static thread_local Scratch<float> blocks;
  CHECK(products.size() <= kProductCountMax);
  groups.clear();
  int64_t low_count = 0;
  int64_t rounded_count = 0;
  int64_t row_count = 0;
  int64_t work = 0;
  for (size_t i = 0; i < products.size(); ++i) {
    groups_of_[i].begin = static_cast<int64_t>(groups.size());
    for (const LowRankRows& rows : products[i]) {
      const int64_t count = rows.rows.end - rows.rows.begin;
      const int64_t rank = rows.weight->a.output_size();
      CHECK(rows.weight->a.input_size() == x.column_count() && rows.weight->b.input_size() == rank);
      CHECK(count > 0 && rows.rows.begin >= 0 && rows.rows.end <= x.row_count());
      groups.push_back({i, rows.rows, rows.weight, nullptr, nullptr});
      low_count += count * rank;
      rounded_count += count * rounded_stride(rank);
      row_count += count;
      work += count * rank * x.column_count();
      block_floats_ = std::max(block_floats_, count * block_columns(count, kColumnGrain));
      // Makes the form of x that A reads, so that the region only looks it up.
      static_cast<void>(column_product(executor, x, rows.weight->a, nullptr));
    }
    groups_of_[i].end = static_cast<int64_t>(groups.size());
  }
  groups_ = groups;
  if (groups.empty()) return;

  float* next_low = low.reserve(low_count);
  uint16_t* next_rounded = rounded.reserve(rounded_count);
  for (Group& group : groups) {
    const int64_t count = group.rows.end - group.rows.begin;
    const int64_t rank = group.weight->a.output_size();
    group.low = next_low;
    group.rounded = next_rounded;
    next_low += count * rank;
    next_rounded += count * rounded_stride(rank);
  }
  block_floats_ = padded_to_cache_line(block_floats_);
  blocks_ = blocks.reserve(block_floats_ * executor.thread_count());
  const std::span<const Group> all = groups;
  parallel_if_worth(executor, work, [&](int thread, int thread_count) {
    // Rows of all groups, laid end to end.
    const Range mine = split_range(row_count, 1, thread, thread_count);
    int64_t before = 0;
    for (const Group& group : all) {
      const int64_t count = group.rows.end - group.rows.begin;
      const Range rows{std::clamp<int64_t>(mine.begin - before, 0, count),
                       std::clamp<int64_t>(mine.end - before, 0, count)};
      if (rows.begin < rows.end) multiply_by_a(executor, x, group, rows);
      before += count;
    }
  });
}

// `rows` of the group.
void LowRankSums::multiply_by_a(Executor& executor, LinearInput& x, const Group& group, Range rows) {
  const LowRankWeight& weight = *group.weight;
  const int64_t rank = weight.a.output_size();
  ColumnProduct product = rows_of(column_product(executor, x, weight.a, nullptr),
                                  {group.rows.begin + rows.begin, group.rows.begin + rows.end});
  product.y = group.low + rows.begin * rank;
  multiply_columns(product, {0, rank}, nullptr);
  if (weight.b.activations() != ActivationType::kBF16) return;
  const int64_t stride = rounded_stride(rank);
  const HalfKernels& kernels = half_kernels(active_isa());
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    uint16_t* values = group.rounded + row * stride;
    kernels.round(group.low + row * rank, rank, values);
    std::fill(values + rank, values + stride, uint16_t{0});
  }
}

void LowRankSums::add(size_t product, const ColumnProduct& target, Range columns, int thread) const {
  const ElementwiseKernels& kernels = elementwise_kernels(active_isa());
  float* block = blocks_ + thread * block_floats_;
  for (int64_t i = groups_of_[product].begin; i < groups_of_[product].end; ++i) {
    const Group& group = groups_[static_cast<size_t>(i)];
    const Tensor& factors = group.weight->factors;
    const int64_t row_count = group.rows.end - group.rows.begin;
    const ColumnProduct whole{.x = group.low,
                              .row_count = row_count,
                              .weight = &group.weight->b,
                              .y = nullptr,
                              .y_stride = 0,
                              .rounded = group.rounded};
    const int64_t columns_at_once = block_columns(row_count, kColumnGrain);
    for (int64_t begin = columns.begin; begin < columns.end; begin += columns_at_once) {
      const Range part{begin, std::min(begin + columns_at_once, columns.end)};
      const int64_t count = part.end - part.begin;
      multiply_columns(block_of(whole, part, block), part, nullptr);
      for (int64_t row = 0; row < row_count; ++row) {
        float* y = target.y + (group.rows.begin + row) * target.y_stride + part.begin - target.first_column;
        kernels.add(y, block + row * count, count, y);
        if (factors.is_empty()) continue;
        for (int64_t column = 0; column < count; ++column) y[column] *= factors.floats()[part.begin + column];
      }
    }
  }
}

}  // namespace pelton
