// Qwen 2 and 2.5 (Yang et al. 2024, arXiv 2407.10671): Llama with biases of queries, keys and values, and, in files
// that switch it on, a sliding window in the upper layers.
#include "model/arch.h"
#include "model/arch/llama_names.h"
#include "model/arch/qwen_window.h"
#include "model/config.h"
#include "model/gated_decoder.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"qwen2"};
constexpr std::string_view kGgufNames[] = {"qwen2"};

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  reader.require("hidden_act", {"silu"});
  ModelSpec spec = reader.common_spec("qwen2");
  spec.has_query_key_value_bias = true;
  read_qwen_window(reader, spec);
  return spec;
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const GgufConfig reader(file, "qwen2");
  reader.refuse_other_families({});
  ModelSpec spec = reader.common_spec();
  spec.has_query_key_value_bias = true;
  return spec;
}

void add_hugging_face_config(const ModelSpec&, json::object& config) {
  config["hidden_act"] = "silu";
  config["use_sliding_window"] = false;
}

Graph lower(const ModelSpec& spec) { return lower_gated_decoder(spec, {}); }

}  // namespace

extern const Architecture kQwen2 = {
    .name = "qwen2",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = kGgufNames,
    .weight_names = kLlamaWeightNames,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = spec_from_gguf,
    .lower = lower,
    .hugging_face_class = "Qwen2ForCausalLM",
    .add_hugging_face_config = add_hugging_face_config,
};

}  // namespace pelton
