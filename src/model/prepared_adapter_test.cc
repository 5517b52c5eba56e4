// Rows of several adapters and of none in one step, beside each of them alone, and beside with_adapter(), which says
// the same with plain layer calls.
#include "model/prepared_adapter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/golden_dir.h"
#include "base/test_folder.h"
#include "model/bundle.h"
#include "model/convert.h"
#include "model/decoder.h"
#include "model/random_adapter.h"

namespace pelton {
namespace {

constexpr int64_t kPrompt = 20;
constexpr int64_t kPagesEach = 2;

std::filesystem::path golden(const std::string& name) { return std::filesystem::path(kGoldenDir) / "arch" / name; }

// Who asks for what: the adapter of each sequence, null for none. Of each its logits at the end of its prompt, and at
// the token after it; then the prompt's step asks for every row where `wants_all`.
std::vector<std::vector<float>> logits_of(const std::shared_ptr<const Model>& model, DecoderOptions options,
                                          const std::vector<const PreparedAdapter*>& adapters,
                                          const std::vector<int32_t>& numbers, bool wants_all = false) {
  Executor executor(2);
  options.page_count = static_cast<int64_t>(adapters.size()) * kPagesEach;
  Decoder decoder(executor, model, options);
  std::vector<int32_t> pages(static_cast<size_t>(options.page_count));
  std::iota(pages.begin(), pages.end(), 0);
  const auto vocabulary_size = static_cast<size_t>(model->spec.vocabulary_size);
  std::vector<std::vector<float>> logits(adapters.size());
  for (const int64_t row_count : {kPrompt, int64_t{1}}) {
    StepBatch batch;
    std::vector<size_t> owners;
    for (size_t i = 0; i < adapters.size(); ++i) {
      const int64_t first = row_count == 1 ? kPrompt : 0;
      const auto begin = static_cast<int64_t>(batch.tokens.size());
      for (int64_t row = 0; row < row_count; ++row) {
        batch.tokens.push_back(static_cast<int32_t>((numbers[i] * 31 + (first + row) * 7) % 200 + 3));
        if (row + 1 < row_count && !wants_all) continue;
        batch.logit_rows.push_back(static_cast<int32_t>(begin + row));
        owners.push_back(i);
      }
      batch.sequences.push_back({begin, row_count, first, std::span(pages).subspan(i * kPagesEach, kPagesEach)});
      batch.adapters.push_back(adapters[i]);
    }
    const std::span<const float> rows = decoder.step(batch);
    for (size_t i = 0; i < owners.size(); ++i) {
      const auto row = rows.subspan(i * vocabulary_size, vocabulary_size);
      logits[owners[i]].insert(logits[owners[i]].end(), row.begin(), row.end());
    }
  }
  return logits;
}

class PreparedAdapterOn : public testing::TestWithParam<std::string> {};

// In float32, with scales that are powers of two, the same operations in the same order: the same bits.
TEST_P(PreparedAdapterOn, InFloat32GivesTheBitsOfTheListWithAdapters) {
  const auto base = load_bundle(golden(GetParam()).string())->model;
  const DecoderOptions options{.activations = ActivationType::kF32, .kv_type = ElementType::kF32};
  std::vector<Adapter> adapters;
  for (const int64_t rank : {2, 16, 7}) {
    adapters.push_back(random_adapter(*base, static_cast<uint64_t>(rank), {.rank = rank, .is_dora = rank == 7}));
  }
  adapters.push_back(random_ia3(*base, 4));
  std::vector<PreparedAdapter> prepared;
  for (const Adapter& adapter : adapters) prepared.emplace_back(*base, adapter, options.activations);
  EXPECT_EQ(prepared[1].rank_max(), 16);
  EXPECT_EQ(prepared[3].rank_max(), 0);
  const std::vector<int32_t> numbers = {1, 2, 3, 4, 5, 6};
  const auto mixed = logits_of(
      base, options, {&prepared[0], nullptr, &prepared[1], &prepared[1], &prepared[2], &prepared[3]}, numbers, true);
  EXPECT_EQ(mixed[1], logits_of(base, options, {nullptr}, {2}, true)[0]);
  const std::vector<size_t> of_sequence = {0, 0, 1, 1, 2, 3};
  for (const size_t i : {0u, 2u, 3u, 4u, 5u}) {
    const auto listed = with_adapter(*base, adapters[of_sequence[i]]);
    EXPECT_EQ(mixed[i], logits_of(listed, options, {nullptr}, {numbers[i]}, true)[0]) << "sequence " << i;
  }
  EXPECT_NE(mixed[2], logits_of(base, options, {nullptr}, {3}, true)[0]);
  EXPECT_NE(mixed[5], logits_of(base, options, {nullptr}, {6}, true)[0]);
}

INSTANTIATE_TEST_SUITE_P(Golden, PreparedAdapterOn, testing::Values("llama", "gemma3", "qwen3", "gemma4-kv-shared"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// IA³ multiplies biases too, which a step adds to all rows alike: so here only nearly the same bits.
TEST(PreparedAdapter, FactorsAreOfTheBiasToo) {
  for (const char* name : {"qwen2", "gpt2"}) {
    const auto base = load_bundle(golden(name).string())->model;
    const DecoderOptions options{.activations = ActivationType::kF32, .kv_type = ElementType::kF32};
    const Adapter adapter = random_ia3(*base, 4);
    const PreparedAdapter prepared(*base, adapter, options.activations);
    const auto mixed = logits_of(base, options, {nullptr, &prepared}, {1, 2})[1];
    const auto listed = logits_of(with_adapter(*base, adapter), options, {nullptr}, {2})[0];
    const auto plain = logits_of(base, options, {nullptr}, {2})[0];
    float largest = 0, change = 0;
    for (size_t i = 0; i < mixed.size(); ++i) {
      largest = std::max(largest, std::abs(listed[i]));
      change = std::max(change, std::abs(listed[i] - plain[i]));
    }
    EXPECT_GT(change, 0.01f * largest);
    for (size_t i = 0; i < mixed.size(); ++i) ASSERT_NEAR(mixed[i], listed[i], 1e-5f * largest) << name << " " << i;
  }
}

// On a quantised base, fused and not: each sequence the bits that it has alone, and near to what float32 says.
TEST(PreparedAdapter, InInt8CompanyChangesNoBit) {
  const TestFolder work;
  Executor executor(2);
  convert_model(executor, {.source = golden("llama"), .destination = work.path() / "q.gguf", .type = "q8_0"});
  const auto base = load_bundle((work.path() / "q.gguf").string())->model;
  const Adapter first = random_adapter(*base, 1, {.rank = 16});
  const Adapter second =
      random_adapter(*base, 2, {.rank = 5, .changes = [](std::string_view name) { return name.ends_with("query"); }});
  const Adapter third = random_ia3(*base, 3);
  for (const bool fuses : {true, false}) {
    const DecoderOptions options{.kv_type = ElementType::kI8, .fuses = fuses};
    const PreparedAdapter a(*base, first, options.activations), b(*base, second, options.activations);
    const PreparedAdapter c(*base, third, options.activations);
    EXPECT_GT(a.size_bytes(), b.size_bytes());
    EXPECT_NE(a.number(), b.number());
    const std::vector<int32_t> numbers = {1, 2, 3, 4, 5};
    const std::vector<const PreparedAdapter*> owners = {&a, &b, nullptr, &c, &a};
    const auto mixed = logits_of(base, options, owners, numbers);
    for (size_t i = 0; i < owners.size(); ++i) {
      EXPECT_EQ(mixed[i], logits_of(base, options, {owners[i]}, {numbers[i]})[0]) << fuses << " sequence " << i;
    }
    const auto listed = logits_of(with_adapter(*base, first), options, {nullptr}, {1})[0];
    const auto plain = logits_of(base, options, {nullptr}, {1})[0];
    double error = 0, change = 0;
    for (size_t i = 0; i < listed.size(); ++i) {
      error += std::pow(mixed[0][i] - listed[i], 2);
      change += std::pow(plain[i] - listed[i], 2);
    }
    EXPECT_EQ(mixed[3], logits_of(with_adapter(*base, third), options, {nullptr}, {4})[0]) << "factors round nothing";
    // BF16 rounds by 2^-9; what is left is a few per cent of what the adapter changes.
    EXPECT_LT(std::sqrt(error), 0.05 * std::sqrt(change));
  }
}

}  // namespace
}  // namespace pelton
