// Mistral (Jiang et al. 2023, arXiv 2310.06825): Llama with a sliding window in every layer. In GGUF its models are
// called Llama's.
#include "model/arch.h"
#include "model/arch/llama_names.h"
#include "model/config.h"
#include "model/config_writer.h"
#include "model/gated_decoder.h"

namespace pelton {

extern const Architecture kLlama;

namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"mistral"};

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  reader.require("hidden_act", {"silu"});
  ModelSpec spec = reader.common_spec("mistral");
  reader.read_window(spec, [](int64_t) { return true; });
  return spec;
}

void add_hugging_face_config(const ModelSpec& spec, json::object& config) {
  config["hidden_act"] = "silu";
  config["sliding_window"] = number_or_null(std::nullopt);
  if (spec.window) config["sliding_window"] = *spec.window;
}

Graph lower(const ModelSpec& spec) { return lower_gated_decoder(spec, {}); }

}  // namespace

extern const Architecture kMistral = {
    .name = "mistral",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = {},
    .weight_names = kLlamaWeightNames,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = nullptr,
    .lower = lower,
    .interleaves_heads_in_gguf = true,
    .hugging_face_class = "MistralForCausalLM",
    .gguf_twin = &kLlama,
    .add_hugging_face_config = add_hugging_face_config,
};

}  // namespace pelton
