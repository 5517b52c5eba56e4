#include "model/text_part.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/golden_dir.h"
#include "base/test_folder.h"
#include "io/error_matchers.h"
#include "io/hf_folder.h"
#include "io/safetensors.h"
#include "model/model.h"
#include "model/verify.h"

namespace pelton {
namespace {

namespace fs = std::filesystem;

fs::path golden() { return fs::path(kGoldenDir) / "arch" / "gemma3"; }

// The golden Gemma 3 as the language model of a folder with vision, its names beginning with `prefix`.
void write_vision_model(const fs::path& folder, const std::string& prefix, const std::string& vision_prefix) {
  const auto source = open_safetensors_folder(golden());
  std::vector<NamedTensor> tensors;
  for (const TensorEntry& entry : source->entries()) {
    std::string name = entry.name;
    if (name.starts_with("model.")) name = prefix + name.substr(6);
    tensors.push_back({name, *source->find(entry.name)});
  }
  tensors.push_back({vision_prefix + "vision_tower.vision_model.post_layernorm.weight", Tensor::f32({4})});
  tensors.push_back({vision_prefix + "multi_modal_projector.mm_soft_emb_norm.weight", Tensor::f32({4})});
  write_safetensors(folder / "model.safetensors", tensors);
  json::object text = read_hf_folder(golden()).config;
  text.erase("architectures");
  const json::object config = {{"architectures", {"Gemma3ForConditionalGeneration"}},
                               {"model_type", "gemma3"},
                               {"text_config", text},
                               {"vision_config", {{"model_type", "siglip_vision_model"}}}};
  replace_file(folder / "config.json", json::serialize(config));
}

TEST(TextPart, OfGemmaThreeComputesWhatItDoesAlone) {
  for (const auto& [prefix, vision_prefix] :
       {std::pair<std::string, std::string>{"language_model.model.", ""}, {"model.language_model.", "model."}}) {
    const TestFolder work;
    write_vision_model(work.path(), prefix, vision_prefix);
    const auto model = load_hugging_face_model(work.path(), read_hf_folder(work.path()).config);
    const auto expected = SafetensorsFile::open(golden() / "expected.safetensors");
    Executor executor(2);
    EXPECT_TRUE(verify_model(executor, model, *expected, {}).passed) << prefix;
  }
}

TEST(TextPart, TakesTheFamilysDefaults) {
  // As google/gemma-3-4b-it has it.
  const json::object config = {{"model_type", "gemma3"},
                               {"text_config",
                                {{"hidden_size", 2560},
                                 {"intermediate_size", 10240},
                                 {"model_type", "gemma3_text"},
                                 {"num_hidden_layers", 34},
                                 {"rope_scaling", {{"factor", 8.0}, {"rope_type", "linear"}}},
                                 {"sliding_window", 1024}}}};
  const json::object text = text_config(config);
  const ModelSpec spec = architecture_from_hugging_face("gemma3_text").spec_from_hugging_face(text);
  EXPECT_EQ(spec.query_head_count, 8);
  EXPECT_EQ(spec.key_value_head_count, 4);
  EXPECT_EQ(spec.head_width, 256);
  EXPECT_EQ(spec.width, 2560);
  EXPECT_EQ(spec.vocabulary_size, 262208);
  EXPECT_EQ(spec.window, 1024);
  EXPECT_EQ(spec.context_length, 131072);
  EXPECT_EQ(spec.rope_source.theta, 1e6);
  EXPECT_EQ(spec.local_rope_source->theta, 1e4);
}

TEST(TextPart, LeavesOthersAlone) {
  const json::object config = read_hf_folder(golden()).config;
  EXPECT_EQ(text_config(config), config);
  const auto source = open_safetensors_folder(golden());
  EXPECT_EQ(text_tensors(config, source), source);
}

TEST(TextPart, BrokenOnesAreRefused) {
  expect_error(
      [] {
        text_config({{"model_type", "gemma3"}, {"text_config", 3}});
      },
      ErrorCode::kCorruptFile, {"text_config"});
  const TestFolder work;
  write_vision_model(work.path(), "model.language_model.", "");
  const auto source = open_safetensors_folder(work.path());
  std::vector<NamedTensor> tensors;
  for (const TensorEntry& entry : source->entries()) tensors.push_back({entry.name, *source->find(entry.name)});
  tensors.push_back({"language_model.model.norm.weight", Tensor::f32({4})});
  write_safetensors(work.path() / "twice.safetensors", tensors);
  expect_error(
      [&] {
        text_tensors(read_hf_folder(work.path()).config, SafetensorsFile::open(work.path() / "twice.safetensors"));
      },
      ErrorCode::kCorruptFile, {"model.norm.weight", "twice"});
}

}  // namespace
}  // namespace pelton
