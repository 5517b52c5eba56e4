#include "text/wordpiece.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "text/utf8.h"

namespace pelton {
namespace {

constexpr std::string_view kContinuation = "##";
constexpr int64_t kWordCharactersMax = 100;  // a longer word is unknown as a whole

[[noreturn]] void corrupt(std::string_view what) {
  throw Error(ErrorCode::kCorruptFile, fmt::format("the WordPiece vocabulary: {}", what));
}

// A string, or an object with the string as `content`.
std::string special_text(const JsonReader& config, std::string_view key, std::string_view fallback) {
  const json::value* value = config.value(key);
  if (value == nullptr) return std::string(fallback);
  if (const json::object* object = value->if_object()) value = object->if_contains("content");
  if (value == nullptr || !value->is_string()) config.fail(key, "a string");
  return std::string(value->get_string());
}

json::object special_part(const std::string& token, int type) {
  return {{"SpecialToken", json::object{{"id", token}, {"type_id", type}}}};
}
json::object text_part(const char* id, int type) { return {{"Sequence", json::object{{"id", id}, {"type_id", type}}}}; }

}  // namespace

WordPieceVocabulary read_wordpiece_file(std::string_view vocab_txt,
                                        const std::optional<json::object>& tokenizer_config) {
  WordPieceVocabulary vocabulary;
  while (!vocab_txt.empty()) {
    const size_t end = std::min(vocab_txt.find('\n'), vocab_txt.size());
    std::string_view token = vocab_txt.substr(0, end);
    if (token.ends_with('\r')) token.remove_suffix(1);
    vocabulary.tokens.emplace_back(token);
    vocab_txt.remove_prefix(std::min(end + 1, vocab_txt.size()));
  }
  const json::object nothing;
  const JsonReader config(tokenizer_config ? *tokenizer_config : nothing, "tokenizer_config.json");
  vocabulary.lowercases = config.boolean("do_lower_case").value_or(true);
  vocabulary.strips_accents = config.boolean("strip_accents");
  vocabulary.splits_chinese = config.boolean("tokenize_chinese_chars").value_or(true);
  vocabulary.unknown = special_text(config, "unk_token", vocabulary.unknown);
  vocabulary.begin = special_text(config, "cls_token", vocabulary.begin);
  vocabulary.end = special_text(config, "sep_token", vocabulary.end);
  const std::string special[] = {vocabulary.unknown, vocabulary.begin, vocabulary.end,
                                 special_text(config, "pad_token", "[PAD]"),
                                 special_text(config, "mask_token", "[MASK]")};
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    if (std::find(std::begin(special), std::end(special), vocabulary.tokens[id]) != std::end(special)) {
      vocabulary.special.push_back(id);
    }
  }
  return vocabulary;
}

json::object wordpiece_tokenizer_json(const WordPieceVocabulary& vocabulary) {
  json::object ids;
  ids.reserve(vocabulary.tokens.size());
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const std::string& token = vocabulary.tokens[id];
    if (find_invalid_utf8(token)) corrupt(fmt::format("token {} is not UTF-8", id));
    if (!ids.emplace(token, id).second) corrupt(fmt::format("the token \"{}\" is there twice", token));
  }
  json::object special_tokens;
  for (const std::string& token : {vocabulary.unknown, vocabulary.begin, vocabulary.end}) {
    if (!ids.contains(token)) corrupt(fmt::format("the token {} is missing", token));
    special_tokens[token] =
        json::object{{"id", token}, {"ids", json::array{ids.at(token)}}, {"tokens", json::array{json::string(token)}}};
  }
  json::array added;
  for (const size_t id : vocabulary.special) {
    added.push_back(json::object{{"id", id},
                                 {"content", vocabulary.tokens[id]},
                                 {"single_word", false},
                                 {"lstrip", false},
                                 {"rstrip", false},
                                 {"normalized", false},
                                 {"special", true}});
  }
  const json::array single = {special_part(vocabulary.begin, 0), text_part("A", 0), special_part(vocabulary.end, 0)};
  json::array pair = single;
  pair.push_back(text_part("B", 1));
  pair.push_back(special_part(vocabulary.end, 1));
  return {
      {"version", "1.0"},
      {"added_tokens", std::move(added)},
      {"normalizer", json::object{{"type", "BertNormalizer"},
                                  {"clean_text", true},
                                  {"handle_chinese_chars", vocabulary.splits_chinese},
                                  {"strip_accents",
                                   vocabulary.strips_accents ? json::value(*vocabulary.strips_accents) : json::value()},
                                  {"lowercase", vocabulary.lowercases}}},
      {"pre_tokenizer", json::object{{"type", "BertPreTokenizer"}}},
      {"post_processor", json::object{{"type", "TemplateProcessing"},
                                      {"single", single},
                                      {"pair", pair},
                                      {"special_tokens", std::move(special_tokens)}}},
      {"decoder", json::object{{"type", "WordPiece"}, {"prefix", kContinuation}, {"cleanup", true}}},
      {"model", json::object{{"type", "WordPiece"},
                             {"unk_token", vocabulary.unknown},
                             {"continuing_subword_prefix", kContinuation},
                             {"max_input_chars_per_word", kWordCharactersMax},
                             {"vocab", std::move(ids)}}}};
}

}  // namespace pelton
