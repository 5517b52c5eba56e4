#include "ops/adapter_terms.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/check.h"
#include "base/cpu.h"
#include "kernels/elementwise/elementwise.h"
#include "ops/elementwise.h"

namespace pelton {
namespace {

// y [row_count, of y_stride] = y ⊙ factors + addend, where these are there; `columns` of the product's.
void scale_here(const AdapterTerm& term, Range columns, int64_t row_count, int64_t y_stride, float* y) {
  const int64_t count = columns.end - columns.begin;
  const float* factors = term.factors.is_empty() ? nullptr : term.factors.floats() + columns.begin;
  const float* addend = term.addend.is_empty() ? nullptr : term.addend.floats() + columns.begin;
  for (int64_t row = 0; row < row_count; ++row, y += y_stride) {
    for (int64_t column = 0; factors != nullptr && column < count; ++column) y[column] *= factors[column];
    for (int64_t column = 0; addend != nullptr && column < count; ++column) y[column] += addend[column];
  }
}

}  // namespace

LinearInput& AdapterTerms::input(Executor& executor, LinearInput& x, size_t product,
                                 std::span<const AdaptedRows> adapted) {
  const auto has_factors = [](const AdaptedRows& rows) { return !rows.term->input_factors.is_empty(); };
  if (std::none_of(adapted.begin(), adapted.end(), has_factors)) return x;
  struct Copy {
    Scratch<float> rows;
    LinearInput input;
  };
  static thread_local std::array<Copy, kProductCountMax> copies;
  CHECK(product < kProductCountMax);
  Copy& copy = copies[product];
  const int64_t width = x.column_count();
  float* rows = copy.rows.reserve(x.row_count() * width);
  std::copy_n(x.rows(), x.row_count() * width, rows);
  for (const AdaptedRows& one : adapted) {
    if (!has_factors(one)) continue;
    const Tensor& factors = one.term->input_factors;
    CHECK(factors.shape()[0] == width);
    const int64_t first = one.rows.begin * width;
    scale_columns(executor, x.rows() + first, factors.floats(), nullptr, one.rows.end - one.rows.begin, width,
                  rows + first);
  }
  copy.input.set(rows, x.row_count(), width);
  return copy.input;
}

AdapterTerms::AdapterTerms(Executor& executor, LinearInput& x, std::span<const std::span<const AdaptedRows>> products) {
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
    for (const auto& [rows, term] : products[i]) {
      CHECK(rows.begin >= 0 && rows.begin < rows.end && rows.end <= x.row_count());
      groups.push_back({i, rows, term, nullptr, nullptr});
      if (!term->has_low_rank()) continue;
      const int64_t count = rows.end - rows.begin;
      const int64_t rank = term->a.output_size();
      CHECK(term->a.input_size() == x.column_count() && term->b.input_size() == rank);
      low_count += count * rank;
      rounded_count += count * rounded_stride(rank);
      row_count += count;
      work += count * rank * x.column_count();
      block_floats_ = std::max(block_floats_, count * block_columns(count, kColumnGrain));
      // Makes the form of x that A reads, so that the region only looks it up.
      static_cast<void>(column_product(executor, x, term->a, nullptr));
    }
    groups_of_[i].end = static_cast<int64_t>(groups.size());
  }
  groups_ = groups;
  if (row_count == 0) return;

  float* next_low = low.reserve(low_count);
  uint16_t* next_rounded = rounded.reserve(rounded_count);
  for (Group& group : groups) {
    if (!group.term->has_low_rank()) continue;
    const int64_t count = group.rows.end - group.rows.begin;
    const int64_t rank = group.term->a.output_size();
    group.low = next_low;
    group.rounded = next_rounded;
    next_low += count * rank;
    next_rounded += count * rounded_stride(rank);
  }
  block_floats_ = padded_to_cache_line(block_floats_);
  blocks_ = blocks.reserve(block_floats_ * executor.thread_count());
  const std::span<const Group> all = groups;
  parallel_if_worth(executor, work, [&](int thread, int thread_count) {
    // Rows of all groups with an A, laid end to end.
    const Range mine = split_range(row_count, 1, thread, thread_count);
    int64_t before = 0;
    for (const Group& group : all) {
      if (!group.term->has_low_rank()) continue;
      const int64_t count = group.rows.end - group.rows.begin;
      const Range rows{std::clamp<int64_t>(mine.begin - before, 0, count),
                       std::clamp<int64_t>(mine.end - before, 0, count)};
      if (rows.begin < rows.end) multiply_by_a(executor, x, group, rows);
      before += count;
    }
  });
}

// `rows` of the group.
void AdapterTerms::multiply_by_a(Executor& executor, LinearInput& x, const Group& group, Range rows) {
  const AdapterTerm& term = *group.term;
  const int64_t rank = term.a.output_size();
  ColumnProduct product = rows_of(column_product(executor, x, term.a, nullptr),
                                  {group.rows.begin + rows.begin, group.rows.begin + rows.end});
  product.y = group.low + rows.begin * rank;
  multiply_columns(product, {0, rank}, nullptr);
  if (term.b.activations() != ActivationType::kBF16) return;
  const int64_t stride = rounded_stride(rank);
  const HalfKernels& kernels = half_kernels(active_isa());
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    uint16_t* values = group.rounded + row * stride;
    kernels.round(group.low + row * rank, rank, values);
    std::fill(values + rank, values + stride, uint16_t{0});
  }
}

void AdapterTerms::add(size_t product, const ColumnProduct& target, Range columns, int thread) const {
  const ElementwiseKernels& kernels = elementwise_kernels(active_isa());
  float* block = blocks_ + thread * block_floats_;
  for (int64_t i = groups_of_[product].begin; i < groups_of_[product].end; ++i) {
    const Group& group = groups_[static_cast<size_t>(i)];
    const AdapterTerm& term = *group.term;
    const int64_t row_count = group.rows.end - group.rows.begin;
    const auto target_of = [&](Range part) {
      return target.y + group.rows.begin * target.y_stride + part.begin - target.first_column;
    };
    if (!term.has_low_rank()) {
      scale_here(term, columns, row_count, target.y_stride, target_of(columns));
      continue;
    }
    const ColumnProduct whole{.x = group.low,
                              .row_count = row_count,
                              .weight = &term.b,
                              .y = nullptr,
                              .y_stride = 0,
                              .rounded = group.rounded};
    const int64_t columns_at_once = block_columns(row_count, kColumnGrain);
    for (int64_t begin = columns.begin; begin < columns.end; begin += columns_at_once) {
      const Range part{begin, std::min(begin + columns_at_once, columns.end)};
      const int64_t count = part.end - part.begin;
      multiply_columns(block_of(whole, part, block), part, nullptr);
      for (int64_t row = 0; row < row_count; ++row) {
        float* y = target_of(part) + row * target.y_stride;
        kernels.add(y, block + row * count, count, y);
      }
      scale_here(term, part, row_count, target.y_stride, target_of(part));
    }
  }
}

}  // namespace pelton
