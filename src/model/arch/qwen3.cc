// Qwen 3, dense (Yang et al. 2025, arXiv 2505.09388): Llama with a norm of each query and key head before it is
// rotated.
#include "model/arch.h"
#include "model/arch/llama_names.h"
#include "model/arch/qwen_window.h"
#include "model/config.h"
#include "model/gated_decoder.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"qwen3"};
constexpr std::string_view kGgufNames[] = {"qwen3"};

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  reader.require("hidden_act", {"silu"});
  ModelSpec spec = reader.common_spec("qwen3");
  spec.has_query_key_value_bias = spec.has_attention_output_bias = reader.flag("attention_bias", false);
  read_qwen_window(reader, spec);
  return spec;
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const GgufConfig reader(file, "qwen3");
  reader.refuse_other_families({});
  ModelSpec spec = reader.common_spec();
  reader.read_biases(spec);
  return spec;
}

void add_hugging_face_config(const ModelSpec& spec, json::object& config) {
  config["hidden_act"] = "silu";
  config["attention_bias"] = spec.has_query_key_value_bias;
}

Graph lower(const ModelSpec& spec) { return lower_gated_decoder(spec, {.query_key_norm = QueryKeyNorm::kEachHead}); }

}  // namespace

extern const Architecture kQwen3 = {
    .name = "qwen3",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = kGgufNames,
    .weight_names = kLlamaWeightNames,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = spec_from_gguf,
    .lower = lower,
    .hugging_face_class = "Qwen3ForCausalLM",
    .add_hugging_face_config = add_hugging_face_config,
};

}  // namespace pelton
