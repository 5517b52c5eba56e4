// Pages of layers with a window apart from those of the others.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/golden_dir.h"
#include "io/hf_folder.h"
#include "model/decoder.h"
#include "model/model.h"

namespace pelton {
namespace {

constexpr int64_t kTokenCount = 100;
constexpr int64_t kPage = KvLayerCache::kPageTokens;
constexpr int64_t kPageCount = (kTokenCount + kPage - 1) / kPage;

std::shared_ptr<const Model> golden_model(const std::string& name) {
  const std::filesystem::path folder = std::filesystem::path(kGoldenDir) / "arch" / name;
  return load_hugging_face_model(folder, read_hf_folder(folder).config);
}

// Logits of the last row of each step of `row_count` rows. ring: so many pages are all that layers with a window get,
// in turns; none: pages as the other layers'.
std::vector<float> logits_of(const std::shared_ptr<const Model>& model, int64_t row_count,
                             std::optional<int64_t> ring) {
  Executor executor(2);
  Decoder decoder(executor, model,
                  {.activations = ActivationType::kF32,
                   .kv_type = ElementType::kF32,
                   .page_count = kPageCount,
                   .local_page_count = ring});
  std::vector<int32_t> pages;
  std::vector<int32_t> local_pages;
  for (int64_t page = 0; page < kPageCount; ++page) {
    pages.push_back(static_cast<int32_t>(page));
    local_pages.push_back(static_cast<int32_t>(page % ring.value_or(kPageCount)));
  }
  std::vector<float> all;
  for (int64_t begin = 0; begin < kTokenCount; begin += row_count) {
    StepBatch batch;
    for (int64_t i = begin; i < begin + row_count; ++i) batch.tokens.push_back(static_cast<int32_t>(i * i % 97));
    batch.sequences.push_back({0, row_count, begin, pages});
    batch.local_pages.push_back(local_pages);
    batch.logit_rows.push_back(static_cast<int32_t>(row_count - 1));
    const std::span<const float> logits = decoder.step(batch);
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

// A window of 12 and steps of up to 5 rows touch 16 positions: 2 pages.
TEST(KvGroups, LayersWithAWindowNeedOnlyThePagesInIt) {
  for (const std::string name : {"gemma3", "gemma4-kv-shared", "mistral-window"}) {
    const auto model = golden_model(name);
    ASSERT_EQ(model->graph.window(), 12) << name;
    for (const int64_t row_count : {1, 5}) {
      EXPECT_EQ(logits_of(model, row_count, 2), logits_of(model, row_count, std::nullopt)) << name;
    }
    // 21 positions do not fit into one page: else the ring was not read.
    EXPECT_NE(logits_of(model, 10, 1), logits_of(model, 10, std::nullopt)) << name;
  }
}

TEST(KvGroups, AModelOfWindowsAloneNeedsNoOtherPages) {
  const auto model = golden_model("mistral-window");
  const KvPageBytes bytes = Decoder::kv_page_bytes(*model, ElementType::kF32);
  EXPECT_EQ(bytes.global, 0);
  EXPECT_GT(bytes.local, 0);
}

// Of 8 layers the first 4 keep keys and values: 3 of 2 heads of 16, with a window, and one of 2 heads of 512.
TEST(KvGroups, LayersThatShareKeepNothing) {
  const auto model = golden_model("gemma4-kv-shared");
  const KvPageBytes bytes = Decoder::kv_page_bytes(*model, ElementType::kF32);
  EXPECT_EQ(bytes.local, 3 * 2 * 2 * 16 * kPage * 4);
  EXPECT_EQ(bytes.global, 2 * 2 * 512 * kPage * 4);
}

}  // namespace
}  // namespace pelton
