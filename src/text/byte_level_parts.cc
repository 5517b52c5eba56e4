#include "text/byte_level_parts.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "text/byte_level.h"

namespace pelton {
namespace {

// Not an Error: the file is for the reference library to judge.
struct OtherWay {};

void require(bool condition) {
  if (!condition) throw OtherWay{};
}

const json::value* value_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

const json::object& object_at(const json::object& object, std::string_view key) {
  const json::value* value = value_at(object, key);
  require(value != nullptr && value->is_object());
  return value->get_object();
}

const json::array& array_at(const json::object& object, std::string_view key) {
  const json::value* value = value_at(object, key);
  require(value != nullptr && value->is_array());
  return value->get_array();
}

std::string_view string_at(const json::object& object, std::string_view key) {
  const json::value* value = value_at(object, key);
  if (value == nullptr) return {};
  require(value->is_string());
  return value->get_string();
}

bool flag_at(const json::object& object, std::string_view key, bool absent) {
  const json::value* value = value_at(object, key);
  if (value == nullptr) return absent;
  require(value->is_bool());
  return value->get_bool();
}

TokenId token_at(const json::value& value) {
  json::error_code error;
  const auto id = value.to_number<int64_t>(error);
  require(!error && id >= 0 && id < INT32_MAX);
  return static_cast<TokenId>(id);
}

// A component, or those of a Sequence of them, in their order. None where there is null.
std::vector<const json::object*> components(const json::object& tokenizer, std::string_view key,
                                            std::string_view members) {
  const json::value* value = value_at(tokenizer, key);
  if (value == nullptr) return {};
  require(value->is_object());
  const json::object& whole = value->get_object();
  if (string_at(whole, "type") != "Sequence") return {&whole};
  std::vector<const json::object*> parts;
  for (const json::value& part : array_at(whole, members)) {
    require(part.is_object());
    parts.push_back(&part.get_object());
  }
  return parts;
}

bool read_normalizer(const json::object& tokenizer) {
  const auto parts = components(tokenizer, "normalizer", "normalizers");
  for (const json::object* part : parts) require(string_at(*part, "type") == "NFC");
  return !parts.empty();
}

const WordExpression& read_split(const json::object& split) {
  const WordExpression* expression = find_word_expression(string_at(object_at(split, "pattern"), "Regex"));
  require(expression != nullptr);
  const std::string_view behavior = string_at(split, "behavior");
  const bool is_inverted = flag_at(split, "invert", false);
  // To remove all that is no match is to isolate the matches, where every piece is one.
  const bool isolates = behavior == "Isolated" && !is_inverted;
  const bool keeps_matches = behavior == "Removed" && is_inverted && expression->covers_all;
  require(isolates || keeps_matches);
  return *expression;
}

std::vector<const WordExpression*> read_pre_tokenizer(const json::object& tokenizer) {
  const auto parts = components(tokenizer, "pre_tokenizer", "pretokenizers");
  require(!parts.empty());
  std::vector<const WordExpression*> cuts;
  for (const json::object* part : parts) {
    const std::string_view type = string_at(*part, "type");
    if (type == "Digits") {
      cuts.push_back(flag_at(*part, "individual_digits", false) ? &kEachDigit : &kDigitRuns);
    } else if (type == "Split") {
      cuts.push_back(&read_split(*part));
    } else {  // spells bytes as characters, so what comes after it would see those
      require(type == "ByteLevel" && part == parts.back() && !flag_at(*part, "add_prefix_space", true));
      if (flag_at(*part, "use_regex", true)) cuts.push_back(&kGpt2Expression);
    }
  }
  require(string_at(*parts.back(), "type") == "ByteLevel");
  return cuts;
}

// The ids that a special token of a TemplateProcessing stands for.
void add_special_ids(const json::object& special_tokens, std::string_view name, std::vector<TokenId>& ids) {
  for (const json::value& id : array_at(object_at(special_tokens, name), "ids")) ids.push_back(token_at(id));
}

void read_template(const json::object& processor, ByteLevelParts& parts) {
  bool has_text = false;
  for (const json::value& item : array_at(processor, "single")) {
    require(item.is_object());
    const json::object& piece = item.get_object();
    if (piece.contains("Sequence")) {
      require(!has_text && string_at(object_at(piece, "Sequence"), "id") == "A");
      has_text = true;
    } else {
      add_special_ids(object_at(processor, "special_tokens"), string_at(object_at(piece, "SpecialToken"), "id"),
                      has_text ? parts.suffix : parts.prefix);
    }
  }
  require(has_text);
}

void read_post_processor(const json::object& tokenizer, ByteLevelParts& parts) {
  bool has_template = false;
  for (const json::object* processor : components(tokenizer, "post_processor", "processors")) {
    const std::string_view type = string_at(*processor, "type");
    if (type == "ByteLevel") continue;  // moves offsets
    require(type == "TemplateProcessing" && !has_template);
    has_template = true;
    read_template(*processor, parts);
  }
}

const json::object& read_model(const json::object& tokenizer) {
  const json::object& model = object_at(tokenizer, "model");
  const std::string_view type = string_at(model, "type");
  require((type.empty() || type == "BPE") && value_at(model, "dropout") == nullptr);
  require(string_at(model, "continuing_subword_prefix").empty() && string_at(model, "end_of_word_suffix").empty());
  return model;
}

void read_vocabulary(const json::object& vocabulary, ByteLevelParts& parts) {
  std::vector<bool> is_taken;
  for (const auto& [spelling, value] : vocabulary) {
    const TokenId token = token_at(value);
    const auto index = static_cast<size_t>(index_of(token));
    if (index >= is_taken.size()) is_taken.resize(index + 1);
    require(!is_taken[index]);
    is_taken[index] = true;
    if (const auto bytes = bytes_of_byte_level(spelling)) {
      require(parts.index.insert(*bytes, token));
    } else {
      parts.unspelled.emplace(spelling, token);
    }
  }
}

// "left right", or a pair of them.
std::pair<std::string_view, std::string_view> merge_parts(const json::value& merge) {
  if (merge.is_string()) {
    const std::string_view text = merge.get_string();
    const size_t space = text.find(' ');
    require(space != std::string_view::npos && text.find(' ', space + 1) == std::string_view::npos);
    return {text.substr(0, space), text.substr(space + 1)};
  }
  const json::array* pair = merge.if_array();
  require(pair != nullptr && pair->size() == 2 && (*pair)[0].is_string() && (*pair)[1].is_string());
  return {(*pair)[0].get_string(), (*pair)[1].get_string()};
}

void read_merges(const json::array& merges, ByteLevelParts& parts) {
  require(merges.size() < UINT32_MAX);
  uint32_t rank = 0;
  for (const json::value& merge : merges) {
    const auto [left, right] = merge_parts(merge);
    const auto left_bytes = bytes_of_byte_level(left);
    const auto right_bytes = bytes_of_byte_level(right);
    require(left_bytes && right_bytes);
    const auto left_token = parts.index.find(*left_bytes);
    const auto right_token = parts.index.find(*right_bytes);
    const auto merged_token = parts.index.find(*left_bytes + *right_bytes);
    require(left_token && right_token && merged_token);
    parts.merger.add(*left_token, *right_token, rank++, *merged_token);
  }
}

// Bytes that the vocabulary lacks are left out of a text where there is no token for the unknown.
std::array<TokenId, 256> byte_tokens(const json::object& model, const TokenIndex& index) {
  const bool leaves_out = value_at(model, "unk_token") == nullptr && !flag_at(model, "byte_fallback", false);
  std::array<TokenId, 256> tokens;
  tokens.fill(PairMerger::kNoToken);
  for (int byte = 0; byte < 256; ++byte) {
    const char character = static_cast<char>(byte);
    const auto token = index.find({&character, 1});
    const bool is_utf8 = byte != 0xC0 && byte != 0xC1 && byte < 0xF5;
    require(token || leaves_out || !is_utf8);
    if (token) tokens[static_cast<size_t>(byte)] = *token;
  }
  return tokens;
}

// Where the library would number an added token in another way than the file, it does.
void check_added_tokens(const json::object& tokenizer, const json::object& vocabulary, const ByteLevelParts& parts,
                        const TokenizerFacts& facts) {
  const json::value* list = value_at(tokenizer, "added_tokens");
  if (list == nullptr) return;
  require(list->is_array());
  const auto model_size = static_cast<int64_t>(vocabulary.size());
  std::set<std::string_view> contents;
  int64_t id_max = -1;
  for (const json::value& item : list->get_array()) {
    const json::object& entry = item.get_object();  // the facts have checked it
    const std::string_view content = string_at(entry, "content");
    require(contents.insert(content).second);
    const json::value* known = vocabulary.if_contains(content);
    const int64_t expected =
        known != nullptr ? index_of(token_at(*known)) : (id_max >= model_size ? id_max + 1 : model_size);
    require(index_of(token_at(entry.at("id"))) == expected);
    id_max = std::max(id_max, expected);
  }
  for (const AddedToken& token : facts.added_tokens) {
    require(!token.is_single_word);  // what a word is, the library asks yet another engine
    require(!token.is_normalized || !parts.normalizes_nfc || is_surely_nfc(token.text));
  }
}

ByteLevelParts read_parts(const json::object& tokenizer, const TokenizerFacts& facts) {
  const json::object& model = read_model(tokenizer);
  const json::object& vocabulary = object_at(model, "vocab");
  const json::array& merges = array_at(model, "merges");
  ByteLevelParts parts = {.index = TokenIndex(vocabulary.size()), .merger = PairMerger({}, 0)};
  parts.normalizes_nfc = read_normalizer(tokenizer);
  parts.cuts = read_pre_tokenizer(tokenizer);
  parts.ignores_merges = flag_at(model, "ignore_merges", false);
  read_post_processor(tokenizer, parts);
  check_added_tokens(tokenizer, vocabulary, parts, facts);
  read_vocabulary(vocabulary, parts);
  parts.merger = PairMerger(byte_tokens(model, parts.index), merges.size());
  read_merges(merges, parts);
  return parts;
}

}  // namespace

std::optional<ByteLevelParts> read_byte_level_parts(const json::object& tokenizer, const TokenizerFacts& facts) {
  try {
    return read_parts(tokenizer, facts);
  } catch (const OtherWay&) {
    return std::nullopt;
  }
}

}  // namespace pelton
