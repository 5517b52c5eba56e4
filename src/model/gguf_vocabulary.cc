#include "model/gguf_vocabulary.h"

#include <string_view>
#include <utility>

namespace pelton {
namespace {

// llama.cpp's word for it; a file without the key does not load there.
constexpr std::string_view kNoVocabulary = "no_vocab";

template <typename Value>
Value or_empty(std::optional<Value> value) {
  return std::move(value).value_or(Value{});
}

}  // namespace

GgufVocabulary read_gguf_vocabulary(const GgufFile& file) {
  GgufVocabulary vocabulary;
  vocabulary.model = or_empty(file.string("tokenizer.ggml.model"));
  if (vocabulary.model == kNoVocabulary) return {};
  vocabulary.pre = or_empty(file.string("tokenizer.ggml.pre"));
  if (const auto* tokens = file.strings("tokenizer.ggml.tokens")) vocabulary.tokens = *tokens;
  if (const auto* merges = file.strings("tokenizer.ggml.merges")) vocabulary.merges = *merges;
  const auto scores = or_empty(file.numbers("tokenizer.ggml.scores"));
  vocabulary.scores.assign(scores.begin(), scores.end());
  vocabulary.token_types = or_empty(file.integers("tokenizer.ggml.token_type"));
  vocabulary.bos = file.integer("tokenizer.ggml.bos_token_id");
  vocabulary.eos = file.integer("tokenizer.ggml.eos_token_id");
  vocabulary.unknown = file.integer("tokenizer.ggml.unknown_token_id");
  vocabulary.padding = file.integer("tokenizer.ggml.padding_token_id");
  vocabulary.begin = file.integer("tokenizer.ggml.cls_token_id");
  vocabulary.separator = file.integer("tokenizer.ggml.seperator_token_id");  // spelt so in the format
  vocabulary.mask = file.integer("tokenizer.ggml.mask_token_id");
  vocabulary.adds_bos = file.boolean("tokenizer.ggml.add_bos_token");
  vocabulary.adds_eos = file.boolean("tokenizer.ggml.add_eos_token");
  vocabulary.adds_space_prefix = file.boolean("tokenizer.ggml.add_space_prefix");
  return vocabulary;
}

void add_no_gguf_vocabulary(GgufMetadata& metadata) { metadata.add("tokenizer.ggml.model", kNoVocabulary); }

void add_gguf_vocabulary(const GgufVocabulary& vocabulary, GgufMetadata& metadata) {
  metadata.add("tokenizer.ggml.model", vocabulary.model);
  if (!vocabulary.pre.empty()) metadata.add("tokenizer.ggml.pre", vocabulary.pre);
  metadata.add("tokenizer.ggml.tokens", vocabulary.tokens);
  if (!vocabulary.scores.empty()) metadata.add("tokenizer.ggml.scores", vocabulary.scores);
  metadata.add("tokenizer.ggml.token_type",
               std::vector<int32_t>(vocabulary.token_types.begin(), vocabulary.token_types.end()));
  if (!vocabulary.merges.empty()) metadata.add("tokenizer.ggml.merges", vocabulary.merges);
  const auto add_id = [&](std::string_view key, std::optional<int64_t> id) {
    if (id) metadata.add(key, static_cast<uint32_t>(*id));
  };
  add_id("tokenizer.ggml.bos_token_id", vocabulary.bos);
  add_id("tokenizer.ggml.eos_token_id", vocabulary.eos);
  add_id("tokenizer.ggml.unknown_token_id", vocabulary.unknown);
  add_id("tokenizer.ggml.padding_token_id", vocabulary.padding);
  const auto add_flag = [&](std::string_view key, std::optional<bool> flag) {
    if (flag) metadata.add(key, *flag);
  };
  add_flag("tokenizer.ggml.add_bos_token", vocabulary.adds_bos);
  add_flag("tokenizer.ggml.add_eos_token", vocabulary.adds_eos);
  add_flag("tokenizer.ggml.add_space_prefix", vocabulary.adds_space_prefix);
}

}  // namespace pelton
