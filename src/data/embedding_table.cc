#include "data/embedding_table.h"

#include <algorithm>

#include "base/check.h"
#include "base/rng.h"
#include "ops/gemm.h"

namespace pelton::data {

std::vector<uint32_t> records_with_text(const EmbeddingTable& table) {
  std::vector<uint32_t> records;
  for (uint32_t record = 0; record < table.row_count(); ++record) {
    const std::span<const float> row = table.row(record);
    if (std::any_of(row.begin(), row.end(), [](float number) { return number != 0; })) records.push_back(record);
  }
  return records;
}

void gather_rows(const EmbeddingTable& table, std::span<const uint32_t> records, std::vector<float>& rows) {
  const auto width = static_cast<size_t>(table.width);
  rows.resize(records.size() * width);
  for (size_t i = 0; i < records.size(); ++i) {
    const std::span<const float> row = table.row(records[i]);
    std::copy(row.begin(), row.end(), rows.begin() + static_cast<std::ptrdiff_t>(i * width));
  }
}

double cosine_similarity(std::span<const float> a, std::span<const float> b) {
  constexpr size_t kLanes = 8;  // sums that do not wait for each other
  double sums[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= a.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      sums[lane] += static_cast<double>(a[i + lane]) * static_cast<double>(b[i + lane]);
    }
  }
  for (; i < a.size(); ++i) sums[0] += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  double sum = 0;
  for (const double lane : sums) sum += lane;
  return std::min(sum, 1.0);
}

void multiply_rows(Executor& executor, std::span<const float> a, std::span<const float> b, int64_t width,
                   std::vector<float>& products) {
  const auto rows_a = static_cast<int64_t>(a.size()) / width;
  const auto rows_b = static_cast<int64_t>(b.size()) / width;
  products.resize(static_cast<size_t>(rows_a * rows_b));
  gemm_f32(executor, {.m = rows_a, .n = rows_b, .k = width, .is_b_transposed = true}, a.data(), b.data(),
           products.data());
}

std::vector<uint32_t> sample_of(std::span<const uint32_t> items, size_t count, uint64_t seed) {
  if (items.size() <= count) return {items.begin(), items.end()};
  std::vector<uint32_t> sample;
  Rng rng(seed);
  for (size_t i = 0; i < items.size(); ++i) {
    if (rng.next_below(items.size() - i) < count - sample.size()) sample.push_back(items[i]);
  }
  CHECK(sample.size() == count);
  return sample;
}

}  // namespace pelton::data
