#include "model/fusion.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>
#include <set>

#include "base/rng.h"
#include "model/decoder.h"
#include "model/model.h"
#include "quant/blocks.h"

namespace pelton {
namespace {

constexpr float kEpsilon = 1e-5f;
const FusionContext kNoInt8 = {[](std::string_view) { return false; }};
const FusionContext kAllInt8 = {[](std::string_view) { return true; }};

std::map<std::string, int> kinds(const Graph& graph) {
  std::map<std::string, int> counts;
  for (const LayerCall& call : graph.calls) ++counts[std::string(layer_kind_name(call.kind))];
  return counts;
}

// What every executor of a list relies on, whatever was fused in it.
void expect_well_formed(const Graph& graph) {
  std::set<ValueId> written;
  for (const LayerCall& call : graph.calls) {
    for (const ValueId input : call.inputs) EXPECT_TRUE(written.contains(input)) << call.name;
    for (const ValueId output : call.outputs()) EXPECT_TRUE(written.insert(output).second) << call.name;
  }
  EXPECT_TRUE(written.contains(graph.logits));
}

// The plain calls, those of fused ones in their place.
std::vector<std::string> plain_names(const Graph& graph) {
  std::vector<std::string> names;
  for (const LayerCall& call : graph.calls) {
    if (!call.is_fused()) names.push_back(call.name);
    for (const LayerCall& part : call.parts) names.push_back(part.name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

// --- Patterns, one at a time

struct Chain {
  GraphBuilder builder;
  ValueId x = builder.embedding("embedding", 10, 32);
};

Graph rewritten(GraphBuilder& builder, ValueId result, const FusionContext& context = kNoInt8) {
  const Graph plain = builder.finish(result);
  const Graph fused = fuse(plain, context);
  expect_well_formed(fused);
  EXPECT_EQ(plain_names(fused), plain_names(plain)) << "no call is lost and none is made twice";
  return fused;
}

TEST(Fusion, ASumAndItsNormAreOneCallThatGivesBoth) {
  Chain chain;
  const ValueId y = chain.builder.linear(chain.x, "y", 32);
  const ValueId sum = chain.builder.add(chain.x, y, "sum");
  const ValueId norm = chain.builder.rms_norm(sum, "norm", kEpsilon);
  const Graph fused = rewritten(chain.builder, chain.builder.add(sum, norm, "result"));
  ASSERT_EQ(fused.calls.size(), 4u);
  const LayerCall& call = fused.calls[2];
  EXPECT_EQ(layer_kind_name(call.kind), "add_rms_norm");
  EXPECT_EQ(call.inputs, (std::vector{chain.x, y}));
  EXPECT_EQ(call.outputs(), (std::vector{sum, norm}));
  EXPECT_EQ(call.weights(), std::vector<std::string>{"norm"});
}

TEST(Fusion, ASumThatIsReadBeforeItsNormStays) {
  Chain chain;
  const ValueId sum = chain.builder.add(chain.x, chain.x, "sum");
  const ValueId early = chain.builder.linear(sum, "early", 32);
  const ValueId norm = chain.builder.rms_norm(sum, "norm", kEpsilon);
  const Graph fused = rewritten(chain.builder, chain.builder.silu_gate(early, norm, "result"));
  EXPECT_EQ(kinds(fused).count("add_rms_norm"), 0u);
  EXPECT_EQ(fused.calls.size(), 5u);
}

TEST(Fusion, OfTwoNormsOfASumOneIsFused) {
  Chain chain;
  const ValueId sum = chain.builder.add(chain.x, chain.x, "sum");
  const ValueId a = chain.builder.rms_norm(sum, "a", kEpsilon);
  const ValueId b = chain.builder.rms_norm(sum, "b", kEpsilon);
  const Graph fused = rewritten(chain.builder, chain.builder.silu_gate(a, b, "result"));
  EXPECT_EQ(kinds(fused)["add_rms_norm"], 1);
  EXPECT_EQ(kinds(fused)["rms_norm"], 1);
}

TEST(Fusion, GateAndUpAreOneCall) {
  Chain chain;
  const ValueId gate = chain.builder.linear(chain.x, "gate", 48);
  const ValueId up = chain.builder.linear(chain.x, "up", 48);
  const Graph fused = rewritten(chain.builder, chain.builder.silu_gate(gate, up, "mlp"));
  ASSERT_EQ(fused.calls.size(), 2u);
  EXPECT_EQ(layer_kind_name(fused.calls[1].kind), "gated_linear");
  EXPECT_EQ(fused.calls[1].weights(), (std::vector<std::string>{"gate", "up"}));
}

TEST(Fusion, AGateThatIsReadElsewhereStays) {
  for (const bool is_gate : {true, false}) {
    Chain chain;
    const ValueId gate = chain.builder.linear(chain.x, "gate", 32);
    const ValueId up = chain.builder.linear(chain.x, "up", 32);
    const ValueId gated = chain.builder.silu_gate(gate, up, "mlp");
    const Graph fused = rewritten(chain.builder, chain.builder.add(gated, is_gate ? gate : up, "result"));
    EXPECT_EQ(kinds(fused).count("gated_linear"), 0u);
  }
}

TEST(Fusion, AGateThatIsTheResultStays) {
  Chain chain;
  const ValueId gate = chain.builder.linear(chain.x, "gate", 32);
  chain.builder.silu_gate(gate, chain.builder.linear(chain.x, "up", 32), "mlp");
  EXPECT_EQ(kinds(rewritten(chain.builder, gate)).count("gated_linear"), 0u);
}

TEST(Fusion, AGateOfOtherRowsThanUpStays) {
  Chain chain;
  const ValueId norm = chain.builder.rms_norm(chain.x, "norm", kEpsilon);
  const ValueId gate = chain.builder.linear(chain.x, "gate", 32);
  const ValueId up = chain.builder.linear(norm, "up", 32);
  const Graph fused = rewritten(chain.builder, chain.builder.silu_gate(gate, up, "mlp"));
  EXPECT_EQ(kinds(fused).count("gated_linear"), 0u);
}

TEST(Fusion, AMatrixWhoseResultGatesItselfStays) {
  Chain chain;
  const ValueId gate = chain.builder.linear(chain.x, "gate", 32);
  EXPECT_EQ(kinds(rewritten(chain.builder, chain.builder.silu_gate(gate, gate, "mlp"))).count("gated_linear"), 0u);
}

struct AttentionChain : Chain {
  AttentionShape shape = {.query_head_count = 2, .key_value_head_count = 1, .head_width = 16, .scale = 0.25f};
  int64_t angles = builder.add_rope_table({.inverse_frequencies = {1.0f, 0.1f}});
  ValueId q = builder.linear(x, "query", 32);
  ValueId k = builder.linear(x, "key", 16);
  ValueId v = builder.linear(x, "value", 16);
  ValueId q_rotated = builder.rope(q, "query_rope", angles, {2, 16});
};

TEST(Fusion, QueriesKeysAndValuesAreOneCallThatRotatesWhatIsRotated) {
  AttentionChain chain;
  const ValueId a = chain.builder.attention(chain.q_rotated, chain.k, chain.v, "attention", chain.shape);
  const Graph fused = rewritten(chain.builder, a);
  ASSERT_EQ(fused.calls.size(), 3u);
  EXPECT_EQ(layer_kind_name(fused.calls[1].kind), "query_key_value_write");
  EXPECT_EQ(fused.calls[1].outputs(), std::vector{chain.q_rotated});
  EXPECT_EQ(fused.calls[1].weights(), (std::vector<std::string>{"query", "key", "value"}));
  EXPECT_EQ(layer_kind_name(fused.calls[2].kind), "paged_attention");
  EXPECT_EQ(fused.calls[2].inputs, std::vector{chain.q_rotated});
  EXPECT_EQ(fused.calls[2].outputs(), std::vector{a});
}

TEST(Fusion, KeysOrValuesThatSomebodyElseReadsAreGivenToo) {
  for (const bool is_key : {true, false}) {
    AttentionChain chain;
    const ValueId a = chain.builder.attention(chain.q_rotated, chain.k, chain.v, "attention", chain.shape);
    const ValueId b = chain.builder.linear(is_key ? chain.k : chain.v, "b", 32);
    const Graph fused = rewritten(chain.builder, chain.builder.add(a, b, "result"));
    EXPECT_EQ(fused.calls[1].outputs(), (std::vector{chain.q_rotated, chain.k, chain.v}));
    EXPECT_EQ(kinds(fused)["query_key_value"], 1);
    EXPECT_EQ(kinds(fused)["attention"], 1);
  }
}

TEST(Fusion, KeysThatAreTheResultAreGivenToo) {
  AttentionChain chain;
  chain.builder.attention(chain.q_rotated, chain.k, chain.v, "attention", chain.shape);
  EXPECT_EQ(kinds(rewritten(chain.builder, chain.k)).count("query_key_value_write"), 0u);
}

TEST(Fusion, AnAttentionThatReadsTheQueriesOfAnotherWritesItsOwnKeys) {
  AttentionChain chain;
  const ValueId a = chain.builder.attention(chain.q_rotated, chain.k, chain.v, "attention", chain.shape);
  const ValueId k = chain.builder.linear(a, "other_key", 16);
  const ValueId b = chain.builder.attention(chain.q_rotated, k, chain.v, "other", chain.shape);
  const Graph fused = rewritten(chain.builder, b);
  EXPECT_EQ(kinds(fused).count("query_key_value_write"), 0u);
  EXPECT_EQ(kinds(fused)["attention"], 2);
}

TEST(Fusion, HeadsThatAreRotatedInOtherWidthsThanTheAttentionsStay) {
  AttentionChain chain;
  const ValueId q = chain.builder.rope(chain.q, "wide_rope", chain.angles, {1, 32});
  const ValueId a = chain.builder.attention(q, chain.k, chain.v, "attention", chain.shape);
  EXPECT_EQ(kinds(rewritten(chain.builder, a)).count("query_key_value_write"), 0u);
}

TEST(Fusion, QueriesThatAreReadBeforeTheirRotationStay) {
  AttentionChain chain;
  const ValueId a = chain.builder.attention(chain.q_rotated, chain.k, chain.v, "attention", chain.shape);
  const Graph fused = rewritten(chain.builder, chain.builder.add(a, chain.q, "result"));
  EXPECT_EQ(kinds(fused).count("query_key_value_write"), 0u);
  EXPECT_EQ(kinds(fused)["linear"], 3);
}

TEST(Fusion, RotatedQueriesThatAreReadAfterwardsTooAreStillThere) {
  AttentionChain chain;
  const ValueId a = chain.builder.attention(chain.q_rotated, chain.k, chain.v, "attention", chain.shape);
  const Graph fused = rewritten(chain.builder, chain.builder.add(a, chain.q_rotated, "result"));
  EXPECT_EQ(kinds(fused)["query_key_value_write"], 1);
}

TEST(Fusion, KeysThatAreTheValuesStay) {
  AttentionChain chain;
  const ValueId a = chain.builder.attention(chain.q_rotated, chain.k, chain.k, "attention", chain.shape);
  EXPECT_EQ(kinds(rewritten(chain.builder, a)).count("query_key_value_write"), 0u);
}

TEST(Fusion, ANormIsQuantisedWhereTheNextCallMultipliesItInInt8) {
  const auto norm_kind = [](const FusionContext& context) {
    Chain chain;
    const ValueId norm = chain.builder.rms_norm(chain.x, "norm", kEpsilon);
    const Graph fused = rewritten(chain.builder, chain.builder.linear(norm, "output", 10), context);
    return layer_kind_name(fused.calls[1].kind);
  };
  EXPECT_EQ(norm_kind(kNoInt8), "rms_norm");
  EXPECT_EQ(norm_kind(kAllInt8), "rms_norm_quantise");
}

TEST(Fusion, ANormIsNotQuantisedForAMatrixThatReadsSomethingElse) {
  Chain chain;
  const ValueId norm = chain.builder.rms_norm(chain.x, "norm", kEpsilon);
  const ValueId other = chain.builder.linear(chain.x, "other", 32);
  EXPECT_EQ(kinds(rewritten(chain.builder, chain.builder.add(norm, other, "result"), kAllInt8))["rms_norm"], 1);
}

TEST(Fusion, TheMatrixThatMakesTheLogitsCanGiveTheBestOfThem) {
  Chain chain;
  const ValueId hidden = chain.builder.linear(chain.x, "hidden", 32);
  const Graph fused = rewritten(chain.builder, chain.builder.linear(hidden, "output", 10));
  EXPECT_EQ(layer_kind_name(fused.calls[1].kind), "linear");
  EXPECT_EQ(layer_kind_name(fused.calls[2].kind), "logits_top_k");
  EXPECT_EQ(fused.calls[2].weights(), std::vector<std::string>{"output"});
}

TEST(Fusion, LogitsThatSomebodyElseReadsAreMadeWhole) {
  Chain chain;
  const ValueId logits = chain.builder.linear(chain.x, "output", 32);
  chain.builder.add(logits, chain.x, "sum");
  EXPECT_EQ(kinds(rewritten(chain.builder, logits)).count("logits_top_k"), 0u);
}

TEST(Fusion, EachNameOfTheTableIsThereOnce) {
  std::set<std::string_view> names;
  for (const Fusion& fusion : fusions()) EXPECT_TRUE(names.insert(fusion.name).second) << fusion.name;
}

// --- Whole models: the fused list against the plain one, bit by bit

// Weights drawn from a seed: vectors in F32, the matrices in the types of the list by turns.
class DrawnWeights final : public TensorSource {
 public:
  DrawnWeights(const Graph& graph, const Architecture& architecture, std::vector<ElementType> matrix_types) {
    Rng rng(7);
    size_t matrix_count = 0;
    const WeightPlaces places = weight_places(graph, architecture.weight_names, WeightNaming::kHuggingFace);
    for (const WeightSpec& weight : graph.weights) {
      const WeightPlace& place = places.at(weight.name);
      if (tensors_.contains(place.tensor)) continue;  // it is a part of one that is there
      const bool is_matrix = weight.shape.rank() == 2;
      ElementType type = is_matrix ? matrix_types[matrix_count++ % matrix_types.size()] : ElementType::kF32;
      if (place.is_transposed) type = ElementType::kF32;  // blocks cannot be turned
      const int64_t count = place.tensor_shape.element_count();
      std::vector<float> values(static_cast<size_t>(count));
      for (float& value : values) value = is_matrix ? 0.2f * rng.next_symmetric() : 1 + 0.5f * rng.next_symmetric();
      auto bytes = std::make_shared<std::vector<std::byte>>(static_cast<size_t>(bytes_of(type, count)));
      encode_function(type)(values.data(), bytes->data(), count);
      tensors_.emplace(place.tensor, Tensor(type, place.tensor_shape, bytes->data(), bytes));
      entries_.push_back({place.tensor, type, place.tensor_shape});
    }
  }
  const std::vector<TensorEntry>& entries() const override { return entries_; }
  std::optional<Tensor> find(std::string_view name) const override {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  std::vector<TensorEntry> entries_;
  std::map<std::string, Tensor, std::less<>> tensors_;
};

ModelSpec drawn_spec() {
  ModelSpec spec;
  spec.layer_count = 2;
  spec.width = 96;
  spec.query_head_count = 4;
  spec.key_value_head_count = 2;
  spec.head_width = 24;  // neither a power of two nor whole tiles
  spec.feed_forward_width = 160;
  spec.vocabulary_size = 50;
  spec.context_length = 128;
  spec.norm_epsilon = kEpsilon;
  spec.rope.inverse_frequencies = {1.0f, 0.3f, 0.1f, 0.03f, 0.01f, 0.003f};  // half of each head is rotated
  return spec;
}

std::shared_ptr<const Model> drawn_model(const Architecture& architecture, const ModelSpec& spec,
                                         std::vector<ElementType> matrix_types) {
  Graph graph = architecture.lower(spec);
  const DrawnWeights source(graph, architecture, std::move(matrix_types));
  WeightSet weights(graph, architecture.weight_names, WeightNaming::kHuggingFace, source);
  return std::make_shared<const Model>(
      Model{&architecture, WeightNaming::kHuggingFace, spec, std::move(graph), std::move(weights)});
}

std::shared_ptr<const Model> drawn_model(std::vector<ElementType> matrix_types, RopePairing pairing) {
  ModelSpec spec = drawn_spec();
  spec.rope.pairing = pairing;
  return drawn_model(architecture_from_hugging_face("llama"), spec, std::move(matrix_types));
}

constexpr int64_t kPagesOfASequence = 6;

struct Rows {
  int64_t count, first_position;
};

// Each entry of `rows` is the rows of one sequence, with pages of its own; of each the last one's logits are wanted,
// and of the first all.
struct Step {
  StepBatch batch;
  std::vector<std::vector<int32_t>> pages;
};

Step make_step(const std::vector<Rows>& rows) {
  Step step;
  step.pages.resize(rows.size());
  int64_t row = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    step.pages[i].resize(kPagesOfASequence);
    std::iota(step.pages[i].begin(), step.pages[i].end(), static_cast<int32_t>(i) * kPagesOfASequence);
    step.batch.sequences.push_back({row, rows[i].count, rows[i].first_position, step.pages[i]});
    for (int64_t j = 0; j < rows[i].count; ++j, ++row) {
      step.batch.tokens.push_back(static_cast<int32_t>((row * 7 + rows[i].first_position) % 50));
      if (i == 0 || j + 1 == rows[i].count) step.batch.logit_rows.push_back(static_cast<int32_t>(row));
    }
  }
  return step;
}

// Prompts, then one row each, then both together, then none whose logits are wanted.
std::vector<Step> make_steps() {
  std::vector<Step> steps;
  steps.push_back(make_step({{40, 0}}));
  steps.push_back(make_step({{1, 40}}));
  steps.push_back(make_step({{3, 41}, {70, 0}}));
  steps.push_back(make_step({{1, 44}, {1, 70}, {9, 0}}));
  steps.push_back(make_step({{1, 45}, {1, 71}, {1, 9}}));
  steps.push_back(make_step({{5, 46}}));
  steps.back().batch.logit_rows.clear();
  steps.push_back(make_step({{1, 51}}));
  return steps;
}

std::vector<float> all_logits(const std::shared_ptr<const Model>& model, const DecoderOptions& options,
                              int thread_count, bool fuses) {
  Executor executor(thread_count);
  DecoderOptions all_options = options;
  all_options.page_count = 3 * kPagesOfASequence;
  all_options.fuses = fuses;
  Decoder decoder(executor, model, all_options);
  std::vector<float> all;
  for (const Step& step : make_steps()) {
    const std::span<const float> logits = decoder.step(step.batch);
    EXPECT_EQ(logits.size(), step.batch.logit_rows.size() * 50);
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

void expect_same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  ASSERT_EQ(a.size(), b.size());
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0);
}

struct Types {
  const char* name;
  std::vector<ElementType> matrices;
};

class FusedLlama : public testing::TestWithParam<Types> {};

TEST_P(FusedLlama, GivesThePlainListsBits) {
  for (const RopePairing pairing : {RopePairing::kHalves, RopePairing::kInterleaved}) {
    const std::shared_ptr<const Model> model = drawn_model(GetParam().matrices, pairing);
    for (const ActivationType activations : {ActivationType::kF32, ActivationType::kInt8}) {
      for (const ElementType kv_type : kKvTypes) {
        SCOPED_TRACE(kv_type_name(kv_type));
        const DecoderOptions options = {.activations = activations, .kv_type = kv_type};
        const std::vector<float> plain = all_logits(model, options, 1, false);
        EXPECT_TRUE(std::all_of(plain.begin(), plain.end(), [](float x) { return std::isfinite(x); }));
        for (const int thread_count : {1, 2, 3}) {
          SCOPED_TRACE(thread_count);
          expect_same_bits(all_logits(model, options, thread_count, true), plain);
        }
      }
    }
  }
}

// Every architecture, with all that a file may switch on beside.
TEST(FusedDecoder, GivesThePlainListsBitsOfEveryArchitecture) {
  ModelSpec spec = drawn_spec();
  spec.attention_scale = 0.3f;
  spec.attention_cap = 2;
  spec.window = 20;
  spec.local_layers = {true, false};
  spec.local_rope = spec.rope;
  spec.local_rope->inverse_frequencies[0] = 0.7f;
  spec.embedding_scale = 3;
  spec.residual_scale = 0.5f;
  spec.logit_scale = 0.25f;
  spec.logit_cap = 5;
  spec.token_type_count = 2;
  for (const Architecture* architecture : architectures()) {
    const std::span<const WeightName> names = architecture->weight_names;
    const auto has_weight = [&](std::string_view canonical) {
      return std::any_of(names.begin(), names.end(),
                         [&](const WeightName& name) { return name.canonical == canonical; });
    };
    spec.has_query_key_value_bias = has_weight("layers.{}.attention.query.bias");
    // An encoder's list with a score for each token, and causal: with pages and all that is fused round them.
    spec.label_count = has_weight("classifier") ? spec.vocabulary_size : 0;
    spec.key_value_head_count = 2;
    spec.latent.reset();
    if (has_weight("layers.{}.attention.key_value_down")) spec.latent = ModelSpec::Latent{32, 64, 12, 12, 16};
    if (spec.latent || names[3].form == WeightForm::kHeadByHeadInHuggingFace) {
      spec.key_value_head_count = spec.query_head_count;
    }
    spec.routing = {};
    if (architecture->has_experts) spec.routing = {.expert_count = 5, .active_count = 2};
    spec.expert_width = 64;
    for (const ElementType type : {ElementType::kF32, ElementType::kQ8_0, ElementType::kBF16}) {
      SCOPED_TRACE(std::string(architecture->name) + " " + std::string(element_type_name(type)));
      const std::shared_ptr<const Model> model = drawn_model(*architecture, spec, {type});
      const DecoderOptions options = {.kv_type = ElementType::kI8};
      const std::vector<float> plain = all_logits(model, options, 1, false);
      EXPECT_TRUE(std::all_of(plain.begin(), plain.end(), [](float x) { return std::isfinite(x); }));
      for (const int thread_count : {1, 3}) expect_same_bits(all_logits(model, options, thread_count, true), plain);
    }
  }
}

// Two layers with keys and values of their own, and two that read them.
TEST(FusedDecoder, GivesThePlainListsBitsWhereLayersShareKeysAndValues) {
  ModelSpec spec = drawn_spec();
  spec.layer_count = 4;
  spec.window = 20;
  spec.local_layers = {true, false, true, false};
  spec.head_widths = {24, 32, 24, 32};
  spec.key_value_sources = {0, 1, 0, 1};
  spec.layer_input_width = 32;
  const auto model = drawn_model(architecture_from_hugging_face("gemma4_text"), spec, {ElementType::kQ8_0});
  EXPECT_EQ(model->graph.caches.size(), 2u);
  for (const ElementType kv_type : kKvTypes) {
    const std::vector<float> plain = all_logits(model, {.kv_type = kv_type}, 1, false);
    EXPECT_TRUE(std::all_of(plain.begin(), plain.end(), [](float x) { return std::isfinite(x); }));
    for (const int thread_count : {1, 3}) {
      expect_same_bits(all_logits(model, {.kv_type = kv_type}, thread_count, true), plain);
    }
  }
  const Graph fused = fused_graph(*model, ActivationType::kInt8);
  EXPECT_EQ(std::count_if(fused.calls.begin(), fused.calls.end(),
                          [](const LayerCall& call) { return std::holds_alternative<PagedAttentionCall>(call.kind); }),
            4);
}

// Nobody rotates GPT-2's heads, so their width need not be even. Keys, values and queries in 8 bits are off by at most
// 1 / 254 of their largest element each, and logits here are below 3.
TEST(FusedDecoder, HeadsThatAreNotRotatedMayBeOdd) {
  for (const int64_t head_width : {1, 15}) {
    ModelSpec spec = drawn_spec();
    spec.head_width = head_width;
    spec.query_head_count = spec.key_value_head_count = 3;
    spec.width = 3 * head_width;
    const auto model = drawn_model(architecture_from_hugging_face("gpt2"), spec, {ElementType::kF32});
    const std::vector<float> exact = all_logits(model, {.kv_type = ElementType::kF32}, 1, false);
    for (const ElementType kv_type : kKvTypes) {
      const std::vector<float> plain = all_logits(model, {.kv_type = kv_type}, 1, false);
      expect_same_bits(all_logits(model, {.kv_type = kv_type}, 2, true), plain);
      for (size_t i = 0; i < plain.size(); ++i) ASSERT_NEAR(plain[i], exact[i], 0.05) << kv_type_name(kv_type);
    }
  }
}

// The largest logits of each row from a fused list, against the rows of the plain one.
TEST_P(FusedLlama, GivesTheLargestOfThePlainListsLogits) {
  const std::shared_ptr<const Model> model = drawn_model(GetParam().matrices, RopePairing::kHalves);
  for (const ActivationType activations : {ActivationType::kF32, ActivationType::kInt8}) {
    const DecoderOptions options = {.activations = activations, .kv_type = default_kv_type(activations)};
    const std::vector<float> logits = all_logits(model, options, 1, false);
    for (const bool fuses : {false, true}) {
      for (const int thread_count : {1, 2, 3}) {
        Executor executor(thread_count);
        DecoderOptions all_options = options;
        all_options.page_count = 3 * kPagesOfASequence;
        all_options.fuses = fuses;
        Decoder decoder(executor, model, all_options);
        const float* row = logits.data();
        for (const Step& step : make_steps()) {
          const LargestRows& largest = decoder.step_largest(step.batch, 5);
          ASSERT_EQ(largest.row_count(), static_cast<int64_t>(step.batch.logit_rows.size()));
          for (int64_t i = 0; i < largest.row_count(); ++i, row += 50) {
            std::vector<int32_t> order(50);
            std::iota(order.begin(), order.end(), 0);
            std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return row[a] > row[b]; });
            ASSERT_EQ(largest.row(i).size(), 5u);
            for (size_t rank = 0; rank < 5; ++rank) {
              EXPECT_EQ(largest.row(i)[rank].id, order[rank]);
              EXPECT_EQ(largest.row(i)[rank].value, row[order[rank]]);
            }
          }
        }
        EXPECT_EQ(row, logits.data() + logits.size());
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, FusedLlama,
                         testing::Values(Types{"F32", {ElementType::kF32}}, Types{"Q8_0", {ElementType::kQ8_0}},
                                         Types{"Q4_1", {ElementType::kQ4_1}},
                                         // By turns: within one fused call some have an int8 path and some have none.
                                         Types{"Mixed", {ElementType::kQ4_0, ElementType::kF16, ElementType::kQ8_0}},
                                         Types{"MixedOtherwise", {ElementType::kBF16, ElementType::kQ5_1}}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(FusedGraph, OfALlamaHasTheCountsThatTheTableSays) {
  const std::shared_ptr<const Model> model = drawn_model({ElementType::kQ8_0}, RopePairing::kHalves);
  const Graph fused = fused_graph(*model, ActivationType::kInt8);
  expect_well_formed(fused);
  EXPECT_EQ(plain_names(fused), plain_names(model->graph));
  EXPECT_EQ(kinds(fused), (std::map<std::string, int>{{"embedding", 1},
                                                      {"rms_norm_quantise", 2},
                                                      {"query_key_value_write", 2},
                                                      {"paged_attention", 2},
                                                      {"linear", 4},
                                                      {"logits_top_k", 1},
                                                      {"add_rms_norm_quantise", 3},
                                                      {"gated_linear_quantise", 2},
                                                      {"add", 1},
                                                      {"select_rows", 1}}));
  const auto exact = kinds(fused_graph(*model, ActivationType::kF32));
  EXPECT_EQ(exact.at("add_rms_norm"), 3);
  EXPECT_EQ(exact.at("gated_linear"), 2);
  EXPECT_EQ(exact.at("rms_norm"), 2);
}

}  // namespace
}  // namespace pelton
