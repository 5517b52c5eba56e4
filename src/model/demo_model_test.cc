// The demo model against transformers on the same weights, dequantised exactly to float32.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "base/error.h"
#include "base/file.h"
#include "base/golden_dir.h"
#include "base/json.h"
#include "model/bundle.h"
#include "model/decoder.h"
#include "model/model.h"
#include "ops/cross_entropy.h"

namespace pelton {
namespace {

std::shared_ptr<const ModelBundle> demo_bundle() {
  static const std::shared_ptr<const ModelBundle> bundle = []() -> std::shared_ptr<const ModelBundle> {
    const char* path = std::getenv("PELTON_DEMO_MODEL");
    try {
      return load_bundle(path != nullptr ? path : "smollm2-135m-instruct-q4_1");
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kNotFound) throw;
      return nullptr;
    }
  }();
  return bundle;
}

struct Case {
  json::object fields;

  bool is_chat() const { return fields.contains("messages"); }
  std::vector<int32_t> ids(std::string_view name) const {
    return json::value_to<std::vector<int32_t>>(fields.at(name));
  }
  std::vector<double> numbers(std::string_view name) const {
    return json::value_to<std::vector<double>>(fields.at(name));
  }
};

std::vector<Case> cases() {
  const std::string text = read_file(std::string(kGoldenDir) + "/smollm2/smollm2_shared.json", 1 << 20);
  const json::value parsed = parse_json(text, "smollm2_shared.json");
  std::vector<Case> all;
  for (const json::value& value : parsed.get_array()) all.push_back({value.get_object()});
  return all;
}

class DemoModel : public testing::Test {
 protected:
  void SetUp() override {
    if (demo_bundle() == nullptr) GTEST_SKIP() << "no demo model; scripts/fetch-demo-model gets it";
  }

  static constexpr int64_t kPages = 32;

  std::unique_ptr<Decoder> decoder(ActivationType activations) {
    DecoderOptions options;
    options.activations = activations;
    options.kv_type = activations == ActivationType::kF32 ? ElementType::kF32 : ElementType::kBF16;
    options.page_count = kPages;
    return std::make_unique<Decoder>(executor_, demo_bundle()->model, options);
  }

  // Natural log-probabilities [rows, V] after `tokens` at `first_position`.
  std::vector<std::vector<float>> log_probabilities(Decoder& decoder, std::span<const int32_t> tokens,
                                                    int64_t first_position) {
    std::vector<int32_t> pages(kPages);
    std::iota(pages.begin(), pages.end(), 0);
    StepBatch batch;
    batch.tokens.assign(tokens.begin(), tokens.end());
    batch.sequences.push_back({0, static_cast<int64_t>(tokens.size()), first_position, pages});
    batch.logit_rows.resize(tokens.size());
    std::iota(batch.logit_rows.begin(), batch.logit_rows.end(), 0);
    const std::span<const float> logits = decoder.step(batch);
    const auto size = static_cast<size_t>(decoder.model().spec.vocabulary_size);
    std::vector<std::vector<float>> rows(tokens.size(), std::vector<float>(size));
    for (size_t row = 0; row < rows.size(); ++row)
      log_softmax(&logits[row * size], static_cast<int64_t>(size), rows[row].data());
    return rows;
  }

  Executor executor_{2};
};

TEST_F(DemoModel, TokenIdsAreTheReferences) {
  const ModelBundle& bundle = *demo_bundle();
  for (const Case& test : cases()) {
    std::vector<TokenId> tokens;
    if (test.is_chat()) {
      ChatTemplate::Input input;
      input.messages = test.fields.at("messages").get_array();
      const EncodedChat chat = encode_chat(*bundle.tokenizer, *bundle.chat_template, input, {});
      EXPECT_EQ(chat.rendered, test.fields.at("rendered").get_string());
      tokens = chat.tokens;
    } else {
      tokens = bundle.tokenizer->encode(std::string(test.fields.at("text").get_string()), {});
    }
    std::vector<int32_t> ids;
    for (const TokenId token : tokens) ids.push_back(index_of(token));
    EXPECT_EQ(ids, test.ids("input_ids"));
  }
}

// Float32 activations on the file's own weights. The tolerance of 0.02 nats is the project's contract; what float32
// sums in another order do is below 1e-4.
TEST_F(DemoModel, LogProbabilitiesAreTheReferences) {
  const auto decoder = this->decoder(ActivationType::kF32);
  for (const Case& test : cases()) {
    const std::vector<int32_t> ids = test.ids("input_ids");
    const auto rows = log_probabilities(*decoder, ids, 0);
    const std::vector<double> nll = test.numbers("prompt_nll");
    for (size_t i = 0; i < nll.size(); ++i) EXPECT_NEAR(-rows[i][static_cast<size_t>(ids[i + 1])], nll[i], 0.02);
    for (const json::value& pair : test.fields.at("next_top20").get_array()) {
      const auto token = pair.get_array()[0].to_number<size_t>();
      EXPECT_NEAR(rows.back()[token], pair.get_array()[1].to_number<double>(), 0.02);
    }
  }
}

TEST_F(DemoModel, GreedyIdsAreTheReferencesUntilACloseCall) {
  const auto decoder = this->decoder(ActivationType::kF32);
  for (const Case& test : cases()) {
    const std::vector<int32_t> ids = test.ids("input_ids");
    const std::vector<int32_t> expected = test.ids("greedy_ids");
    const std::vector<double> margins = test.numbers("greedy_margin");
    auto rows = log_probabilities(*decoder, ids, 0);
    for (size_t i = 0; i < expected.size() && margins[i] >= 0.05; ++i) {
      const auto best = std::max_element(rows.back().begin(), rows.back().end()) - rows.back().begin();
      ASSERT_EQ(best, expected[i]) << "step " << i;
      rows = log_probabilities(*decoder, std::span(&expected[i], 1), static_cast<int64_t>(ids.size() + i));
    }
  }
}

TEST_F(DemoModel, APromptsChunksDoNotShow) {
  const auto decoder = this->decoder(ActivationType::kF32);
  for (const Case& test : cases()) {
    const std::vector<int32_t> ids = test.ids("input_ids");
    const auto whole = log_probabilities(*decoder, ids, 0);
    for (size_t i = 0; i < ids.size(); ++i) {
      EXPECT_EQ(log_probabilities(*decoder, std::span(&ids[i], 1), static_cast<int64_t>(i))[0], whole[i]);
    }
  }
}

TEST_F(DemoModel, EightBitActivationsStayClose) {
  const auto exact = decoder(ActivationType::kF32);
  const auto fast = decoder(ActivationType::kInt8);
  double sum = 0;
  size_t count = 0;
  for (const Case& test : cases()) {
    const std::vector<int32_t> ids = test.ids("input_ids");
    const auto p = log_probabilities(*exact, ids, 0);
    const auto q = log_probabilities(*fast, ids, 0);
    for (size_t row = 0; row < p.size(); ++row, ++count) {
      for (size_t i = 0; i < p[row].size(); ++i)
        sum += std::exp(static_cast<double>(p[row][i])) * (p[row][i] - q[row][i]);
    }
  }
  const double mean = sum / static_cast<double>(count);
  RecordProperty("mean_kl", std::to_string(mean));
  EXPECT_GT(mean, 0.0);  // not the same path twice
  EXPECT_LE(mean, 0.01);
}

}  // namespace
}  // namespace pelton
