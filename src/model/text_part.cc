#include "model/text_part.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>

#include "base/error.h"
#include "base/log.h"

namespace pelton {
namespace {

// How names begin in a folder, and how alone.
struct Renaming {
  std::string_view from;
  std::string_view to;
};

// A kind of folder with several parts.
struct Composite {
  std::string_view model_type;
  std::string_view text_model_type;
  json::object defaults;                      // of text_config, as transformers has them
  std::vector<Renaming> renamings;            // the first that fits
  std::vector<std::string_view> other_parts;  // how names of other parts begin
};

const std::vector<Composite>& composites() {
  static const std::vector<Composite> kComposites = {
      {"gemma3",
       "gemma3_text",
       {{"vocab_size", 262208},
        {"hidden_size", 2304},
        {"intermediate_size", 9216},
        {"num_hidden_layers", 26},
        {"num_attention_heads", 8},
        {"num_key_value_heads", 4},
        {"head_dim", 256},
        {"max_position_embeddings", 131072},
        {"rms_norm_eps", 1e-6},
        {"rope_theta", 1e6},
        {"rope_local_base_freq", 1e4},
        {"query_pre_attn_scalar", 256},
        {"sliding_window", 4096}},
       {{"language_model.model.", "model."},
        {"language_model.lm_head.", "lm_head."},
        {"model.language_model.", "model."},
        {"lm_head.", "lm_head."}},
       {"vision_tower.", "multi_modal_projector.", "model.vision_tower.", "model.multi_modal_projector."}},
  };
  return kComposites;
}

// Null: the folder has one part.
const Composite* find_composite(const json::object& config) {
  const json::value* type = config.if_contains("model_type");
  if (type == nullptr || !type->is_string() || !config.contains("text_config")) return nullptr;
  const auto found = std::find_if(composites().begin(), composites().end(), [&](const Composite& composite) {
    return composite.model_type == std::string_view(type->get_string());
  });
  return found == composites().end() ? nullptr : &*found;
}

class TextTensors final : public TensorSource {
 public:
  TextTensors(const Composite& composite, std::shared_ptr<const TensorSource> source) : source_(std::move(source)) {
    size_t left_out = 0;
    for (const TensorEntry& entry : source_->entries()) {
      const auto begins = [&](std::string_view prefix) { return entry.name.starts_with(prefix); };
      if (std::any_of(composite.other_parts.begin(), composite.other_parts.end(), begins)) {
        ++left_out;
        continue;
      }
      TensorEntry renamed = entry;
      for (const Renaming& renaming : composite.renamings) {
        if (!begins(renaming.from)) continue;
        renamed.name = std::string(renaming.to) + entry.name.substr(renaming.from.size());
        break;
      }
      if (!names_.emplace(renamed.name, entry.name).second) {
        throw Error(ErrorCode::kCorruptFile,
                    fmt::format("the tensor {} of the language model is there twice", renamed.name));
      }
      entries_.push_back(std::move(renamed));
    }
    if (left_out > 0) {
      log::info(fmt::format("{}: the language model alone is loaded; {} tensors of other parts (vision) are left out",
                            composite.model_type, left_out));
    }
  }

  const std::vector<TensorEntry>& entries() const override { return entries_; }
  std::optional<Tensor> find(std::string_view name) const override {
    const auto found = names_.find(name);
    return found == names_.end() ? std::nullopt : source_->find(found->second);
  }

 private:
  std::shared_ptr<const TensorSource> source_;
  std::vector<TensorEntry> entries_;
  std::map<std::string, std::string, std::less<>> names_;  // alone → in the folder
};

}  // namespace

json::object text_config(const json::object& config) {
  const Composite* composite = find_composite(config);
  if (composite == nullptr) return config;
  const json::value& given = config.at("text_config");
  if (!given.is_object()) throw Error(ErrorCode::kCorruptFile, "config.json: text_config: expected an object");
  json::object text = given.get_object();
  for (const auto& [key, value] : composite->defaults) {
    const bool is_rope = key == "rope_theta" || key == "rope_local_base_freq";
    if (is_rope && text.contains("rope_parameters")) continue;  // the new spelling says both
    text.emplace(key, value);
  }
  text["model_type"] = composite->text_model_type;
  for (const char* key : {"quantization_config", "tie_word_embeddings"}) {
    if (const json::value* value = config.if_contains(key)) text.emplace(key, *value);
  }
  return text;
}

std::shared_ptr<const TensorSource> text_tensors(const json::object& config,
                                                 std::shared_ptr<const TensorSource> source) {
  const Composite* composite = find_composite(config);
  if (composite == nullptr) return source;
  return std::make_shared<TextTensors>(*composite, std::move(source));
}

}  // namespace pelton
