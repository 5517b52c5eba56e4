// The golden models as llama.cpp's converter would write them: names, orders of rows and metadata of GGUF give the same
// models, with the same gradients.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/golden_dir.h"
#include "io/gguf_test_writer.h"
#include "io/hf_folder.h"
#include "io/safetensors.h"
#include "model/config.h"
#include "model/verify.h"

namespace pelton {
namespace {

struct Case {
  std::string folder;
  std::string name;  // general.architecture
  RopePairing pairing = RopePairing::kHalves;
  // Writes what this family has beside the common keys.
  std::function<void(GgufTestWriter& writer)> write_more = [](GgufTestWriter&) {};
  float rope_theta = 10000;
  bool splits_experts = false;             // a tensor for each, as old files have it
  std::optional<int64_t> key_length = {};  // where it is not the spec's head width
};

std::filesystem::path golden(const std::string& name) { return std::filesystem::path(kGoldenDir) / "arch" / name; }

// (i, i + K/2) becomes (2i, 2i + 1) in each head.
std::vector<float> interleave_rows(const std::vector<float>& values, int64_t head_width, int64_t columns) {
  std::vector<float> result(values.size());
  const int64_t row_count = static_cast<int64_t>(values.size()) / columns;
  for (int64_t row = 0; row < row_count; ++row) {
    const int64_t i = row % head_width;
    const int64_t half = head_width / 2;
    const int64_t target = row - i + (i < half ? 2 * i : 2 * (i - half) + 1);
    std::copy_n(values.begin() + row * columns, columns, result.begin() + target * columns);
  }
  return result;
}

std::string write_gguf(const Model& model, const Case& test) {
  const auto key = [&](std::string_view name) { return test.name + "." + std::string(name); };
  const auto u32 = [](int64_t value) { return static_cast<uint32_t>(value); };
  const ModelSpec& spec = model.spec;
  GgufTestWriter writer;
  writer.string("general.architecture", test.name)
      .u32(key("block_count"), u32(spec.layer_count))
      .u32(key("context_length"), u32(spec.context_length))
      .u32(key("embedding_length"), u32(spec.width))
      .u32(key("feed_forward_length"), u32(spec.feed_forward_width))
      .u32(key("attention.head_count"), u32(spec.query_head_count))
      .u32(key("attention.head_count_kv"), u32(spec.key_value_head_count))
      .u32(key("attention.key_length"), u32(test.key_length.value_or(spec.head_width)))
      .u32(key("attention.value_length"), u32(test.key_length.value_or(spec.head_width)))
      .f32(key("attention.layer_norm_rms_epsilon"), spec.norm_epsilon)
      .f32(key("rope.freq_base"), test.rope_theta);
  test.write_more(writer);

  // By tensor, and within it by expert and first row.
  std::map<std::string, std::map<std::pair<int64_t, int64_t>, std::string>> weights_of_tensor;
  const WeightPlaces places = weight_places(model.graph, model.architecture->weight_names, WeightNaming::kGguf);
  for (const auto& [weight, place] : places) weights_of_tensor[place.tensor][{place.slice, place.first_row}] = weight;
  for (const auto& [tensor, weights] : weights_of_tensor) {
    std::vector<float> values;
    const WeightPlace& place = places.at(weights.begin()->second);
    if (test.splits_experts && place.is_sliced) {
      for (const auto& [where, weight] : weights) {
        std::string name = tensor;
        name.replace(name.find("_exps."), 6, "." + std::to_string(where.first) + ".");
        writer.tensor(name, model.weights.decoded(weight));
      }
      continue;
    }
    for (const auto& [where, weight] : weights) {
      const Tensor part = model.weights.decoded(weight);
      std::vector<float> rows(part.floats(), part.floats() + part.shape().element_count());
      if (place.has_head_rows && test.pairing == RopePairing::kInterleaved) {
        rows = interleave_rows(rows, spec.head_width, part.shape().rank() == 1 ? 1 : part.shape()[1]);
      }
      values.insert(values.end(), rows.begin(), rows.end());
    }
    Tensor whole = Tensor::f32(place.tensor_shape);
    EXPECT_EQ(static_cast<int64_t>(values.size()), whole.shape().element_count());
    std::copy(values.begin(), values.end(), whole.mutable_floats());
    writer.tensor(tensor, whole);
  }
  return writer.bytes();
}

class GgufModel : public testing::TestWithParam<Case> {};

TEST_P(GgufModel, IsTheFoldersModel) {
  const Case& test = GetParam();
  const auto folder_model = load_hugging_face_model(golden(test.folder), read_hf_folder(golden(test.folder)).config);
  const std::string bytes = write_gguf(*folder_model, test);
  const auto file = GgufFile::parse(std::as_bytes(std::span(bytes)), test.name);
  const std::shared_ptr<const Model> model = load_gguf_model(*file);
  Executor executor(2);
  const auto expected = SafetensorsFile::open(golden(test.folder) / "expected.safetensors");
  const VerifyReport report = verify_model(executor, model, *expected, {});
  EXPECT_LE(report.max_rel_diff(), 1e-3);
  ASSERT_TRUE(report.gradients);
  EXPECT_LE(report.gradients->worst_rel_diff, 1e-3) << report.gradients->worst_name;
  EXPECT_TRUE(report.passed);
}

std::vector<Case> cases() {
  return {
      {"llama", "llama", RopePairing::kInterleaved},
      {"mistral-window", "llama", RopePairing::kInterleaved,
       [](GgufTestWriter& writer) { writer.u32("llama.attention.sliding_window", 12); }},
      {"qwen2", "qwen2"},
      {"qwen3", "qwen3"},
      {"gemma2", "gemma2", RopePairing::kHalves,
       [](GgufTestWriter& writer) {
         writer.u32("gemma2.attention.sliding_window", 12)
             .f32("gemma2.attn_logit_softcapping", 50)
             .f32("gemma2.final_logit_softcapping", 30);
       }},
      {"gemma3", "gemma3", RopePairing::kHalves,
       [](GgufTestWriter& writer) { writer.u32("gemma3.attention.sliding_window", 12); }, 1e6f},
      {"gemma4-kv-shared", "gemma4", RopePairing::kHalves,
       [](GgufTestWriter& writer) {
         writer.u32("gemma4.attention.sliding_window", 12)
             .u32("gemma4.attention.sliding_window_pattern", 4)
             .u32("gemma4.attention.shared_kv_layers", 4)
             .u32("gemma4.embedding_length_per_layer_input", 8)
             .u32("gemma4.attention.key_length_swa", 16)
             .u32("gemma4.attention.value_length_swa", 16)
             .u32("gemma4.rope.dimension_count_swa", 16);
         // A quarter of the 256 pairs of 512 dimensions turns.
         Tensor divisors = Tensor::f32({256});
         for (int64_t i = 0; i < 256; ++i) divisors.mutable_floats()[i] = i < 64 ? 1.0f : 1e30f;
         writer.tensor("rope_freqs.weight", divisors);
       },
       1e6f, false, 512},
      {"starcoder2", "starcoder2", RopePairing::kHalves,
       [](GgufTestWriter& writer) {
         writer.u32("starcoder2.attention.sliding_window", 12).f32("starcoder2.attention.layer_norm_epsilon", 1e-5f);
       }},
      {"gpt-neox", "gptneox", RopePairing::kHalves,
       [](GgufTestWriter& writer) {
         writer.u32("gptneox.rope.dimension_count", 4)
             .boolean("gptneox.use_parallel_residual", true)
             .f32("gptneox.attention.layer_norm_epsilon", 1e-5f);
       }},
      {"cohere", "command-r", RopePairing::kInterleaved,
       [](GgufTestWriter& writer) {
         writer.f32("command-r.logit_scale", 0.25f).f32("command-r.attention.layer_norm_epsilon", 1e-5f);
       }},
      {"glm4", "glm4", RopePairing::kInterleaved,
       [](GgufTestWriter& writer) { writer.u32("glm4.rope.dimension_count", 6); }},
      {"olmo2", "olmo2"},
      {"phi3", "phi3"},
      {"mixtral", "llama", RopePairing::kInterleaved,
       [](GgufTestWriter& writer) { writer.u32("llama.expert_count", 4).u32("llama.expert_used_count", 2); }, 1e6f},
      {"mixtral", "llama", RopePairing::kInterleaved,
       [](GgufTestWriter& writer) { writer.u32("llama.expert_count", 4).u32("llama.expert_used_count", 2); }, 1e6f,
       true},
      {"qwen3-moe", "qwen3moe", RopePairing::kHalves,
       [](GgufTestWriter& writer) {
         writer.u32("qwen3moe.expert_count", 5)
             .u32("qwen3moe.expert_used_count", 2)
             .u32("qwen3moe.expert_feed_forward_length", 24);
       }},
      {"gpt-oss", "gpt-oss", RopePairing::kHalves,
       [](GgufTestWriter& writer) {
         writer.u32("gpt-oss.attention.sliding_window", 12)
             .u32("gpt-oss.expert_count", 4)
             .u32("gpt-oss.expert_used_count", 2)
             .string("gpt-oss.rope.scaling.type", "yarn")
             .f32("gpt-oss.rope.scaling.factor", 32)
             .u32("gpt-oss.rope.scaling.original_context_length", 4096);
       },
       150000},
      {"gpt2", "gpt2", RopePairing::kHalves,
       [](GgufTestWriter& writer) { writer.f32("gpt2.attention.layer_norm_epsilon", 1e-5f); }},
  };
}

INSTANTIATE_TEST_SUITE_P(Golden, GgufModel, testing::ValuesIn(cases()), [](const auto& test) {
  std::string name = test.param.folder + (test.param.splits_experts ? "-split" : "");
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

// --- What metadata says, architecture by architecture

constexpr int64_t kLayers = 7;

ModelSpec spec_of(const std::string& name, const std::function<void(GgufTestWriter& writer)>& write_more) {
  GgufTestWriter writer;
  writer.string("general.architecture", name)
      .u32(name + ".block_count", kLayers)
      .u32(name + ".context_length", 256)
      .u32(name + ".embedding_length", 32)
      .u32(name + ".feed_forward_length", 64)
      .u32(name + ".attention.head_count", 4);
  write_more(writer);
  writer.tensor("token_embd.weight", Tensor::f32({10, 32}));
  const std::string bytes = writer.bytes();
  return architecture_from_gguf(name).spec_from_gguf(*GgufFile::parse(std::as_bytes(std::span(bytes)), name));
}

TEST(GgufSpec, GemmaThreeHasFiveLocalLayersInSix) {
  const ModelSpec spec = spec_of("gemma3", [](GgufTestWriter& writer) {
    writer.u32("gemma3.attention.sliding_window", 512).f32("gemma3.rope.freq_base", 1e6f);
  });
  EXPECT_EQ(spec.local_layers, (std::vector<bool>{true, true, true, true, true, false, true}));
  EXPECT_EQ(attention_shape(spec, 0).window, 512);
  EXPECT_EQ(attention_shape(spec, 5).window, std::nullopt);
  ASSERT_TRUE(spec.local_rope);
  EXPECT_FLOAT_EQ(spec.local_rope->inverse_frequencies[1], 0.1f);
  EXPECT_FLOAT_EQ(spec.rope.inverse_frequencies[1], std::pow(1e6f, -0.25f));
  EXPECT_FLOAT_EQ(spec.embedding_scale, std::sqrt(32.0f));
}

TEST(GgufSpec, LocalLayersRotateWhatTheOthersDo) {
  const ModelSpec spec = spec_of("gemma3", [](GgufTestWriter& writer) {
    writer.u32("gemma3.attention.key_length", 7)
        .u32("gemma3.attention.value_length", 7)
        .u32("gemma3.rope.dimension_count", 6);
  });
  EXPECT_EQ(spec.local_rope->inverse_frequencies.size(), 3u);
}

TEST(GgufSpec, APatternOfWindowsGoesBeforeTheFamilysRule) {
  const auto with = [](const std::function<void(GgufTestWriter & writer)>& write_pattern) {
    return spec_of("gemma3", [&](GgufTestWriter& writer) {
      writer.u32("gemma3.attention.sliding_window", 512);
      write_pattern(writer);
    });
  };
  const std::string key = "gemma3.attention.sliding_window_pattern";
  const std::vector<bool> thirds = {true, true, false, true, true, false, true};
  EXPECT_EQ(with([&](GgufTestWriter& writer) { writer.u32(key, 3); }).local_layers, thirds);
  const std::vector<uint8_t> flags(thirds.begin(), thirds.end());
  EXPECT_EQ(with([&](GgufTestWriter& writer) { writer.array<uint8_t>(key, 7, flags); }).local_layers, thirds);
  EXPECT_THROW(with([&](GgufTestWriter& writer) { writer.array<uint8_t>(key, 7, {1, 0}); }), Error);
  EXPECT_THROW(with([&](GgufTestWriter& writer) { writer.u32(key, 0); }), Error);
}

TEST(GgufSpec, FactorsOfGranite) {
  const ModelSpec spec = spec_of("granite", [](GgufTestWriter& writer) {
    writer.f32("granite.embedding_scale", 12)
        .f32("granite.attention.scale", 0.0625f)
        .f32("granite.residual_scale", 0.22f)
        .f32("granite.logit_scale", 8);
  });
  EXPECT_EQ(spec.embedding_scale, 12);
  EXPECT_EQ(attention_shape(spec, 0).scale, 0.0625f);
  EXPECT_EQ(spec.residual_scale, 0.22f);
  EXPECT_EQ(spec.logit_scale, 0.125f);
}

TEST(GgufSpec, LongRopeComesAsTables) {
  const auto with = [](std::vector<float> of_long) {
    return spec_of("phi3", [&](GgufTestWriter& writer) {
      writer.u32("phi3.rope.scaling.original_context_length", 64).f32("phi3.rope.scaling.attn_factor", 1.5f);
      Tensor divisors = Tensor::f32({4});
      std::fill_n(divisors.mutable_floats(), 4, 2.0f);
      writer.tensor("rope_factors_short.weight", divisors);
      std::copy(of_long.begin(), of_long.end(), divisors.mutable_floats());
      writer.tensor("rope_factors_long.weight", divisors);
    });
  };
  const ModelSpec spec = with({4, 5, 6, 7});
  EXPECT_EQ(spec.rope_scaling, "longrope");
  EXPECT_EQ(spec.rope.magnitude, 1.5f);
  EXPECT_FLOAT_EQ(spec.rope.for_length(64).inverse_frequencies[0], 0.5f);
  EXPECT_FLOAT_EQ(spec.rope.for_length(65).inverse_frequencies[1], 0.1f / 5);
  EXPECT_THROW(with({4, 5, 0, 7}), Error);
}

TEST(GgufSpec, WhatAnArchitectureDoesNotReadIsRefused) {
  EXPECT_NO_THROW(spec_of("qwen3", [](GgufTestWriter&) {}));
  EXPECT_THROW(spec_of("qwen3", [](GgufTestWriter& writer) { writer.f32("qwen3.logit_scale", 8); }), Error);
  EXPECT_THROW(spec_of("qwen2", [](GgufTestWriter& writer) { writer.u32("qwen2.attention.sliding_window", 8); }),
               Error);
  EXPECT_THROW(spec_of("llama", [](GgufTestWriter& writer) { writer.u32("llama.expert_count", 8); }), Error);
}

}  // namespace
}  // namespace pelton
