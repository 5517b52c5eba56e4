#include "model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "model/arch.h"

namespace pelton {
namespace {

constexpr std::string_view kConfig = R"({
  "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
  "intermediate_size": 96, "vocab_size": 256, "max_position_embeddings": 128, "rms_norm_eps": 1e-6 %s})";

ModelSpec spec_of(std::string_view extra) {
  std::string text(kConfig);
  text.replace(text.find("%s"), 2, extra);
  const json::value value = parse_json(text, "config.json");
  return HuggingFaceConfig(value.get_object()).common_spec("llama");
}

std::string error_of(std::string_view extra) {
  try {
    spec_of(extra);
  } catch (const Error& error) {
    return error.message();
  }
  return "";
}

TEST(HuggingFaceConfig, ReadsBothSpellingsOfRope) {
  const ModelSpec old_spelling = spec_of(R"(, "rope_theta": 500.0, "rope_scaling": {"type": "linear", "factor": 2.0})");
  const ModelSpec new_spelling =
      spec_of(R"(, "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 500.0})");
  EXPECT_EQ(old_spelling.rope.inverse_frequencies, new_spelling.rope.inverse_frequencies);
  EXPECT_FLOAT_EQ(old_spelling.rope.inverse_frequencies[0], 0.5f);
  EXPECT_EQ(old_spelling.rope_scaling, "linear");
  EXPECT_EQ(spec_of("").head_width, 16);
  EXPECT_EQ(spec_of(R"(, "head_dim": 20)").head_width, 20);
}

TEST(HuggingFaceConfig, RefusesWhatCannotBe) {
  EXPECT_THAT(error_of(R"(, "head_dim": 15)"), testing::HasSubstr("head width of 15"));
  EXPECT_THAT(error_of(R"(, "head_dim": "wide")"), testing::HasSubstr("head_dim"));
  EXPECT_THAT(error_of(R"(, "head_dim": 1026)"), testing::HasSubstr("head width of 1026; expected 1 to 1024"));
  EXPECT_THAT(error_of(R"(, "head_dim": 100000000000)"), testing::HasSubstr("head_dim"));
  EXPECT_THAT(error_of(R"(, "rope_scaling": {"type": "magic"})"), testing::HasSubstr("magic"));
  EXPECT_THAT(error_of(R"(, "rope_scaling": {"type": "linear", "factor": 0})"), testing::HasSubstr("factor"));
  EXPECT_THAT(error_of(R"(, "rope_scaling": 5)"), testing::HasSubstr("expected an object"));
}

TEST(HuggingFaceConfig, RefusesRopeThatIsNotWhole) {
  EXPECT_THAT(error_of(R"(, "rope_scaling": {"type": "linear"})"), testing::HasSubstr("factor"));
  EXPECT_THAT(error_of(R"(, "partial_rotary_factor": 0.5)"), testing::HasSubstr("partial_rotary_factor"));
  EXPECT_THAT(
      error_of(R"(, "rope_scaling": {"type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4})"),
      testing::HasSubstr("low_freq_factor"));
}

TEST(HuggingFaceConfig, RefusesWhatWouldBeAnotherModel) {
  const json::value config = parse_json(R"({"quantization_config": {}, "sliding_window": null})", "config.json");
  const HuggingFaceConfig reader(config.get_object());
  EXPECT_THROW(reader.require_absent({"quantization_config"}), Error);
  EXPECT_NO_THROW(reader.require_absent({"sliding_window", "num_local_experts"}));
}

TEST(HuggingFaceConfig, RefusesHeadsThatDoNotDivide) {
  ModelSpec spec = spec_of("");
  spec.key_value_head_count = 3;
  EXPECT_THROW(check_spec(spec, "test"), Error);
}

TEST(HuggingFaceConfig, ReadsRopeOfLocalLayersInBothSpellings) {
  const ModelSpec old_spelling = spec_of(
      R"(, "rope_theta": 1e6, "rope_local_base_freq": 1e4, "rope_scaling": {"rope_type": "linear", "factor": 8.0})");
  const ModelSpec new_spelling = spec_of(R"(, "rope_parameters": {
      "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
      "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}})");
  ASSERT_TRUE(old_spelling.local_rope && new_spelling.local_rope);
  EXPECT_EQ(old_spelling.rope.inverse_frequencies, new_spelling.rope.inverse_frequencies);
  EXPECT_EQ(old_spelling.local_rope->inverse_frequencies, new_spelling.local_rope->inverse_frequencies);
  EXPECT_FLOAT_EQ(new_spelling.rope.inverse_frequencies[0], 0.125f);
  EXPECT_FLOAT_EQ(new_spelling.local_rope->inverse_frequencies[0], 1);
}

ModelSpec spec_with_window(const std::string& extra) {
  std::string text(kConfig);
  text.replace(text.find("%s"), 2, extra);
  const json::value value = parse_json(text, "config.json");
  const HuggingFaceConfig reader(value.get_object());
  ModelSpec spec = reader.common_spec("test");
  reader.read_window(spec, [](int64_t layer) { return layer > 0; });
  return spec;
}

TEST(HuggingFaceConfig, ReadsWindowsLayerByLayerOrByTheRule) {
  EXPECT_EQ(spec_with_window("").window, std::nullopt);
  EXPECT_EQ(spec_with_window(R"(, "sliding_window": null)").local_layers, std::vector<bool>{});
  EXPECT_EQ(spec_with_window(R"(, "sliding_window": 5, "use_sliding_window": false)").window, std::nullopt);
  const ModelSpec by_rule = spec_with_window(R"(, "sliding_window": 5)");
  EXPECT_EQ(by_rule.local_layers, (std::vector<bool>{false, true, true}));
  EXPECT_EQ(attention_shape(by_rule, 0).window, std::nullopt);
  EXPECT_EQ(attention_shape(by_rule, 2).window, 5);
  const ModelSpec listed = spec_with_window(
      R"(, "sliding_window": 5, "layer_types": ["sliding_attention", "full_attention", "full_attention"])");
  EXPECT_EQ(listed.local_layers, (std::vector<bool>{true, false, false}));
}

TEST(HuggingFaceConfig, RefusesWindowsThatCannotBe) {
  for (const std::string extra :
       {R"(, "sliding_window": 0)", R"(, "sliding_window": 5, "layer_types": ["full_attention"])",
        R"(, "layer_types": ["full_attention", "sliding_attention", "full_attention"])",
        R"(, "layer_types": ["full_attention", "linear_attention", "full_attention"])",
        R"(, "layer_types": ["full_attention", 7, "full_attention"])"}) {
    EXPECT_THROW(spec_with_window(extra), Error) << extra;
  }
}

TEST(HuggingFaceConfig, ReadsPhisLongRopeAndItsShareOfRotatedDimensions) {
  const std::string text = R"({
    "model_type": "phi3", "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 96,
    "vocab_size": 256, "max_position_embeddings": 1024, "original_max_position_embeddings": 128,
    "partial_rotary_factor": 0.5, "rope_scaling": {
      "type": "longrope", "short_factor": [1, 1, 1, 2], "long_factor": [1, 2, 4, 8]}})";
  const json::value config = parse_json(text, "config.json");
  const ModelSpec spec = architecture_from_hugging_face("phi3").spec_from_hugging_face(config.get_object());
  EXPECT_EQ(spec.rope_scaling, "longrope");
  EXPECT_FLOAT_EQ(spec.rope.magnitude, std::sqrt(1 + std::log(8.0f) / std::log(128.0f)));
  const RopeParameters of_short = spec.rope.for_length(128);
  const RopeParameters of_long = spec.rope.for_length(129);
  ASSERT_EQ(of_short.inverse_frequencies.size(), 4u) << "half of 16 dimensions, in pairs";
  EXPECT_FLOAT_EQ(of_short.inverse_frequencies[3], 1e-3f / 2);
  EXPECT_FLOAT_EQ(of_long.inverse_frequencies[3], 1e-3f / 8);
  EXPECT_TRUE(of_long.long_inverse_frequencies.empty());
}

TEST(HuggingFaceConfig, EveryArchitectureRefusesNonsenseWithAnError) {
  for (const Architecture* architecture : architectures()) {
    for (const std::string text : {"{}", R"({"hidden_size": "wide", "n_layer": []})",
                                   R"({"num_hidden_layers": 2, "hidden_size": -1, "n_layer": 1e30})"}) {
      const json::value config = parse_json(text, "config.json");
      EXPECT_THROW(architecture->spec_from_hugging_face(config.get_object()), Error) << architecture->name << text;
    }
  }
}

ModelSpec spec_of_family(std::string_view model_type, std::string_view extra) {
  std::string text(kConfig);
  text.replace(text.find("%s"), 2, extra);
  const json::value config = parse_json(text, "config.json");
  return architecture_from_hugging_face(model_type).spec_from_hugging_face(config.get_object());
}

TEST(HuggingFaceConfig, GemmaFoursUpperLayersReadTheLastOfTheirKindThatKeeps) {
  const std::string_view layers =
      R"(, "sliding_window": 5, "head_dim": 8, "global_head_dim": 16, "hidden_size_per_layer_input": null,
           "layer_types": ["sliding_attention", "full_attention", "sliding_attention"], "num_kv_shared_layers": )";
  const ModelSpec shared = spec_of_family("gemma4_text", std::string(layers) + "1");
  EXPECT_EQ(shared.key_value_sources, (std::vector<int64_t>{0, 1, 0}));
  EXPECT_EQ(shared.head_widths, (std::vector<int64_t>{8, 16, 8}));
  EXPECT_EQ(shared.layer_input_width, 0);
  EXPECT_EQ(shared.rope.inverse_frequencies.size(), 8u);
  EXPECT_EQ(shared.local_rope->inverse_frequencies.size(), 4u);
  EXPECT_TRUE(spec_of_family("gemma4_text", std::string(layers) + "0").key_value_sources.empty());
  for (const char* count : {"2", "3", "9"}) {  // nobody of the kind is left to read
    EXPECT_THROW(spec_of_family("gemma4_text", std::string(layers) + count), Error) << count;
  }
  const ModelSpec wide = spec_of_family("gemma4_text", std::string(layers) + R"(1, "use_double_wide_mlp": true)");
  EXPECT_EQ(wide.feed_forward_widths, (std::vector<int64_t>{96, 96, 192}));
}

TEST(HuggingFaceConfig, GemmaFourRefusesWhatItLacks) {
  for (const char* extra :
       {R"(, "enable_moe_block": true)", R"(, "attention_k_eq_v": true)",
        R"(, "per_layer_config": {"0": {"head_dim": 20}})",
        R"(, "per_layer_config": {"2": {"num_key_value_heads": 1}})",
        R"(, "per_layer_config": {"first": {"head_dim": 20}})", R"(, "vocab_size_per_layer_input": 8)"}) {
    EXPECT_THROW(spec_of_family("gemma4_text", std::string(R"(, "sliding_window": 5)") + extra), Error) << extra;
  }
}

TEST(HuggingFaceConfig, DeepSeekRefusesWhatItDoesNotComputeByName) {
  const auto refusal = [](std::string_view extra) -> std::string {
    try {
      spec_of_family("deepseek_v3", extra);
    } catch (const Error& error) {
      return error.message();
    }
    return "";
  };
  EXPECT_THAT(refusal(R"(, "n_routed_experts": 0)"), testing::HasSubstr("num_key_value_heads"));
}

TEST(HuggingFaceConfig, ADynamicBaseStretchesTheContext) {
  const ModelSpec spec = spec_of(R"(, "rope_scaling": {"type": "dynamic", "factor": 4.0})");
  EXPECT_EQ(spec.context_length, 4 * 128);
  EXPECT_EQ(spec.rope.for_length(128).inverse_frequencies, spec_of("").rope.inverse_frequencies);
  EXPECT_NE(spec.rope.for_length(129).inverse_frequencies, spec_of("").rope.inverse_frequencies);
}

TEST(HuggingFaceConfig, SmolLmThreeSaysWhichLayersAreRotated) {
  const auto unrotated = [](const std::string& extra) {
    std::string text(kConfig);
    text.replace(text.find("%s"), 2, extra);
    const json::value config = parse_json(text, "config.json");
    return architecture_from_hugging_face("smollm3").spec_from_hugging_face(config.get_object()).unrotated_layers;
  };
  EXPECT_EQ(unrotated(R"(, "no_rope_layer_interval": 2)"), (std::vector<bool>{false, true, false}));
  EXPECT_EQ(unrotated(R"(, "no_rope_layers": [0, 1, 1])"), (std::vector<bool>{true, false, false}));
  EXPECT_THROW(unrotated(R"(, "no_rope_layers": [0, 1])"), Error);
}

}  // namespace
}  // namespace pelton
