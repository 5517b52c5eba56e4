// Vectors of records as rows of a table, and the products of many with many: what steps by meaning are made of.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/executor.h"

namespace pelton::data {

// A view; a mapped file may lie behind it.
struct EmbeddingTable {
  std::span<const float> numbers;  // [records][width]; rows of length 1, or zeros: a record without text
  int64_t width = 0;

  uint32_t row_count() const { return static_cast<uint32_t>(numbers.size() / static_cast<size_t>(width)); }
  std::span<const float> row(uint32_t record) const {
    return numbers.subspan(record * static_cast<size_t>(width), static_cast<size_t>(width));
  }
};

// The records that have a vector.
std::vector<uint32_t> records_with_text(const EmbeddingTable& table);

// The rows of `records`, one after the other: replaces what `rows` holds.
void gather_rows(const EmbeddingTable& table, std::span<const uint32_t> records, std::vector<float>& rows);

// The cosine of rows' angle, summed in double in one order, at most 1: what is reported, and what thresholds are held
// against.
double cosine_similarity(std::span<const float> a, std::span<const float> b);

// a [m][width] with b [n][width]: cosines in float [m][n], replacing what `products` holds. The same bits for any
// number of threads; they differ from cosine_similarity() by at most product_error().
void multiply_rows(Executor& executor, std::span<const float> a, std::span<const float> b, int64_t width,
                   std::vector<float>& products);
// In whatever order they are summed, each of `width` products passes through at most `width` roundings of 2^-24 of it,
// and the products of two vectors of length 1 are at most 1 together, whatever their signs.
inline float product_error(int64_t width) { return static_cast<float>(width) * 0x1.0p-24F; }

// Where to take `count` of `items`, so that all are as likely: ascending positions (Knuth, The Art of Computer
// Programming 2, algorithm S). All of them where there are no more.
std::vector<uint32_t> sample_of(std::span<const uint32_t> items, size_t count, uint64_t seed);

}  // namespace pelton::data
