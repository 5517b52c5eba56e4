#include "text/tokenizer.h"

#include <utility>

#include "base/error.h"
#include "text/byte_level_tokenizer.h"
#include "text/gguf_tokenizer_json.h"
#include "text/reference_tokenizer.h"
#include "text/utf8.h"

namespace pelton {
namespace {

std::optional<TokenId> token_id(std::optional<int64_t> id) {
  return id ? std::optional(static_cast<TokenId>(*id)) : std::nullopt;
}

// `text_of()` gives the text of `tokenizer`, which only the library wants.
template <typename TextOf>
std::shared_ptr<const Tokenizer> make_tokenizer(const json::object& tokenizer, const TextOf& text_of,
                                                std::optional<TokenId> bos, std::optional<TokenId> eos) {
  TokenizerFacts facts = read_tokenizer_facts(tokenizer);
  facts.bos = bos;
  facts.eos = eos;
  if (auto parts = read_byte_level_parts(tokenizer, facts)) {
    return std::make_shared<ByteLevelTokenizer>(std::move(*parts), std::move(facts));
  }
  return std::make_shared<ReferenceTokenizer>(text_of(), std::move(facts));
}

}  // namespace

std::shared_ptr<const Tokenizer> Tokenizer::from_json(std::string_view tokenizer_json) {
  json::value tokenizer;
  try {
    tokenizer = parse_json(tokenizer_json, "tokenizer.json", {.depth_max = 32});
  } catch (const Error& error) {
    throw Error(ErrorCode::kCorruptFile, error.message());
  }
  if (!tokenizer.is_object()) throw Error(ErrorCode::kCorruptFile, "tokenizer.json: no object");
  return make_tokenizer(
      tokenizer.get_object(), [&] { return tokenizer_json; }, std::nullopt, std::nullopt);
}

std::shared_ptr<const Tokenizer> Tokenizer::from_gguf(const GgufVocabulary& vocabulary) {
  const json::object tokenizer = gguf_tokenizer_json(vocabulary);
  return make_tokenizer(
      tokenizer, [&] { return json::serialize(tokenizer); }, token_id(vocabulary.bos), token_id(vocabulary.eos));
}

TokenPair Tokenizer::encode_pair(std::string_view, std::string_view) const {
  throw Error(ErrorCode::kUnsupported, "this tokenizer does not say how two texts go together");
}

std::string Tokenizer::decode(std::span<const TokenId> tokens, bool skip_special) const {
  std::string bytes;
  for (const TokenId token : tokens) {
    if (!skip_special || !is_special(token)) bytes += token_bytes(token);
  }
  if (strips_first_space() && bytes.starts_with(' ')) bytes.erase(0, 1);
  std::string text = take_decided_utf8(bytes);
  if (!bytes.empty()) text += kReplacementCharacter;
  return text;
}

}  // namespace pelton
