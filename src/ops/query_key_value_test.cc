#include "ops/query_key_value.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "base/rng.h"
#include "ops/elementwise.h"
#include "ops/norm.h"
#include "quant/blocks.h"

namespace pelton {
namespace {

std::vector<float> random_floats(int64_t count, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = rng.next_symmetric();
  return values;
}

Tensor make_matrix(ElementType type, int64_t n, int64_t k, uint64_t seed) {
  const std::vector<float> values = random_floats(n * k, seed);
  auto bytes = std::make_shared<std::vector<std::byte>>(static_cast<size_t>(bytes_of(type, n * k)));
  encode_function(type)(values.data(), bytes->data(), n * k);
  return Tensor(type, {n, k}, bytes->data(), bytes);
}

constexpr int64_t kWidth = 64;
constexpr int64_t kPageCount = 12;

struct Case {
  const char* name;
  AttentionShape shape;
  ElementType query, key, value;  // of the weights
  ActivationType activations;
  ElementType kv_type;
  bool has_bias = false;
  bool norms_heads = false;
};

// The rows of a step: one that begins, one that goes on in the middle of a page, one that fills one.
struct Rows {
  std::vector<int32_t> pages[3] = {{3, 0}, {5, 1, 7}, {2}};
  std::vector<AttentionSequence> sequences = {{0, 20, 0, pages[0]}, {20, 1, 37, pages[1]}, {21, 3, 13, pages[2]}};
  std::vector<int32_t> positions;
  std::vector<float> x;

  explicit Rows(bool is_one_row) {
    if (is_one_row) sequences = {{0, 1, 37, pages[1]}};
    for (const AttentionSequence& sequence : sequences) {
      for (int64_t i = 0; i < sequence.row_count; ++i) {
        positions.push_back(static_cast<int32_t>(sequence.first_position + i));
      }
    }
    x = random_floats(static_cast<int64_t>(positions.size()) * kWidth, 5);
  }
};

class QueryKeyValueOp : public testing::TestWithParam<Case> {
 protected:
  struct Results {
    std::vector<float> q, k, v;  // the last two stay NaN where they go to the pages only
    std::vector<std::byte> pages;
  };
  enum class How { kPlain, kFused, kWritten };

  Results run(How how, const Rows& rows, RopePairing pairing, int thread_count) const {
    const Case& c = GetParam();
    const int64_t query_width = c.shape.query_head_count * c.shape.head_width;
    const int64_t key_width = c.shape.key_value_head_count * c.shape.head_width;
    Executor executor(thread_count);
    const LinearWeight query(executor, make_matrix(c.query, query_width, kWidth, 1), c.activations);
    const LinearWeight key(executor, make_matrix(c.key, key_width, kWidth, 2), c.activations);
    const LinearWeight value(executor, make_matrix(c.value, key_width, kWidth, 3), c.activations);
    RopeTable table;
    table.prepare(executor, {.inverse_frequencies = {1, 0.3f, 0.1f}, .pairing = pairing}, rows.positions);
    const RopeShape query_heads = {c.shape.query_head_count, c.shape.head_width};
    const RopeShape key_heads = {c.shape.key_value_head_count, c.shape.head_width};
    const std::vector<float> bias = random_floats(query_width, 8);
    const std::vector<float> norm = random_floats(c.shape.head_width, 9);
    const HeadNorm head_norm = {c.norms_heads ? norm.data() : nullptr, 1e-5f};
    const float* biases = c.has_bias ? bias.data() : nullptr;
    const QueryKeyValue projections = {{&query, &table, query_heads, biases, head_norm},
                                       {&key, &table, key_heads, biases, head_norm},
                                       {&value, nullptr, key_heads, biases}};
    KvLayerCache cache(c.kv_type, kPageCount, c.shape.key_value_head_count, c.shape.head_width);
    const auto cache_bytes = static_cast<size_t>(kPageCount * cache.page_bytes());
    std::memset(cache.page(0), 0xAB, cache_bytes);

    LinearInput input;
    const auto row_count = static_cast<int64_t>(rows.positions.size());
    input.set(rows.x.data(), row_count, kWidth);
    Results results;
    results.q.assign(static_cast<size_t>(row_count * query_width), std::nanf(""));
    results.k.assign(static_cast<size_t>(row_count * key_width), std::nanf(""));
    results.v = results.k;
    float* q = results.q.data();
    float* k = results.k.data();
    float* v = results.v.data();
    if (how == How::kPlain) {
      linear(executor, input, query, q);
      linear(executor, input, key, k);
      linear(executor, input, value, v);
      if (c.has_bias) {
        add_bias(executor, bias.data(), row_count, query_width, q);
        add_bias(executor, bias.data(), row_count, key_width, k);
        add_bias(executor, bias.data(), row_count, key_width, v);
      }
      if (c.norms_heads) {
        const int64_t width = c.shape.head_width;
        rms_norm(executor, q, norm.data(), 1e-5f, row_count * c.shape.query_head_count, width, q);
        rms_norm(executor, k, norm.data(), 1e-5f, row_count * c.shape.key_value_head_count, width, k);
      }
      rope(executor, table, RopeDirection::kForward, query_heads, q);
      rope(executor, table, RopeDirection::kForward, key_heads, k);
      kv_write(executor, c.shape, rows.sequences, k, v, cache);
    } else if (how == How::kFused) {
      query_key_value(executor, input, projections, {q, k, v});
    } else {
      query_key_value_write(executor, input, projections, c.shape, {rows.sequences, cache}, q);
    }
    results.pages.assign(cache.page(0), cache.page(0) + cache_bytes);
    return results;
  }
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST_P(QueryKeyValueOp, GivesTheBitsOfThePlainChain) {
  for (const bool is_one_row : {false, true}) {
    const Rows rows(is_one_row);
    for (const RopePairing pairing : {RopePairing::kHalves, RopePairing::kInterleaved}) {
      const Results plain = run(How::kPlain, rows, pairing, 1);
      for (const int thread_count : {1, 2, 3, 5}) {
        SCOPED_TRACE(testing::Message() << thread_count << " threads, " << rows.positions.size() << " rows");
        const Results fused = run(How::kFused, rows, pairing, thread_count);
        EXPECT_TRUE(same_bits(fused.q, plain.q));
        EXPECT_TRUE(same_bits(fused.k, plain.k));
        EXPECT_TRUE(same_bits(fused.v, plain.v));
        const Results written = run(How::kWritten, rows, pairing, thread_count);
        EXPECT_TRUE(same_bits(written.q, plain.q));
        EXPECT_EQ(written.pages, plain.pages);
      }
    }
  }
}

// Heads of whole tiles, of parts of them, and across them; matrices that are cut into columns and that are not.
INSTANTIATE_TEST_SUITE_P(Shapes, QueryKeyValueOp,
                         testing::Values(Case{"Int8",
                                              {9, 3, 64, 0.1f},
                                              ElementType::kQ4_1,
                                              ElementType::kQ4_1,
                                              ElementType::kQ8_0,
                                              ActivationType::kInt8,
                                              ElementType::kI8},
                                         Case{"HeadsAcrossTiles",
                                              {6, 2, 24, 0.1f},
                                              ElementType::kQ8_0,
                                              ElementType::kQ4_0,
                                              ElementType::kQ8_0,
                                              ActivationType::kInt8,
                                              ElementType::kBF16,
                                              true,
                                              true},
                                         Case{"ManyHeadsInATile",
                                              {12, 6, 6, 0.1f},
                                              ElementType::kQ8_0,
                                              ElementType::kQ8_0,
                                              ElementType::kQ8_0,
                                              ActivationType::kInt8,
                                              ElementType::kF32},
                                         Case{"F32",
                                              {4, 2, 20, 0.1f},
                                              ElementType::kF32,
                                              ElementType::kF16,
                                              ElementType::kQ8_0,
                                              ActivationType::kF32,
                                              ElementType::kF32,
                                              true,
                                              false},
                                         Case{"Mixed",
                                              {4, 2, 40, 0.1f},
                                              ElementType::kF32,
                                              ElementType::kBF16,
                                              ElementType::kF16,
                                              ActivationType::kInt8,
                                              ElementType::kI8}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace pelton
