#include "text/tokenizer_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/error.h"
#include "text/byte_level.h"

namespace pelton {
namespace {

constexpr int64_t kIdEnd = 1 << 24;  // the largest published vocabularies have some 260,000 tokens
constexpr std::string_view kSpaceMark = "\u2581";

[[noreturn]] void corrupt(std::string_view what) {
  throw Error(ErrorCode::kCorruptFile, fmt::format("tokenizer.json: {}", what));
}

[[noreturn]] void unsupported(std::string_view what) {
  throw Error(ErrorCode::kUnsupported, fmt::format("tokenizer.json: {}", what));
}

const json::object* object_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value == nullptr ? nullptr : value->if_object();
}

std::string_view string_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}

bool flag_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_bool() && value->get_bool();
}

size_t checked_id(const json::value& value, std::string_view token) {
  json::error_code error;  // to_number knows signed and unsigned
  const auto id = value.to_number<int64_t>(error);
  if (error || id < 0 || id >= kIdEnd) {
    corrupt(fmt::format("the id of \"{}\" is no integer from 0 to {}", token, kIdEnd - 1));
  }
  return static_cast<size_t>(id);
}

// How the spelling of a token becomes bytes; read off the decoder.
struct Spelling {
  bool is_byte_level = false;
  bool marks_spaces = false;     // U+2581 stands for a space
  bool has_byte_tokens = false;  // <0x0A> stands for that byte
  bool strips_first_space = false;
};

void add_decoder(const json::object& decoder, Spelling& spelling) {
  const std::string_view type = string_at(decoder, "type");
  if (type == "Sequence") {
    const json::value* decoders = decoder.if_contains("decoders");
    if (decoders == nullptr || !decoders->is_array()) corrupt("a decoder of type Sequence without decoders");
    for (const json::value& part : decoders->get_array()) {
      if (!part.is_object()) corrupt("a decoder is no object");
      // A Sequence in a Sequence is not used by anybody; refusing it bounds the recursion.
      if (string_at(part.get_object(), "type") == "Sequence") unsupported("a decoder of type Sequence in a Sequence");
      add_decoder(part.get_object(), spelling);
    }
  } else if (type == "ByteLevel") {
    spelling.is_byte_level = true;
  } else if (type == "Metaspace") {
    const std::string_view scheme = string_at(decoder, "prepend_scheme");
    const json::value* prefix = decoder.if_contains("add_prefix_space");
    const bool has_prefix = prefix == nullptr || !prefix->is_bool() || prefix->get_bool();
    spelling.marks_spaces = true;
    spelling.strips_first_space = scheme.empty() ? has_prefix : scheme != "never";
  } else if (type == "Replace") {
    const json::object* pattern = object_at(decoder, "pattern");
    if (pattern == nullptr || string_at(*pattern, "String") != kSpaceMark || string_at(decoder, "content") != " ") {
      unsupported("a decoder of type Replace other than that of U+2581 by a space");
    }
    spelling.marks_spaces = true;
  } else if (type == "ByteFallback") {
    spelling.has_byte_tokens = true;
  } else if (type == "Strip") {
    const json::value* start = decoder.if_contains("start");
    const json::value* stop = decoder.if_contains("stop");
    const bool is_known =
        string_at(decoder, "content") == " " && start != nullptr && *start == 1 && (stop == nullptr || *stop == 0);
    if (!is_known) unsupported("a decoder of type Strip other than that of one first space");
    spelling.strips_first_space = true;
  } else if (type == "WordPiece") {
    spelling.strips_first_space = true;
  } else if (type != "Fuse") {
    unsupported(
        fmt::format("the decoder \"{}\" is not known; known: ByteLevel, Metaspace, WordPiece, ByteFallback "
                    "with Replace, Fuse and Strip",
                    type));
  }
}

// <0x0A>
std::optional<char> byte_of_token(std::string_view spelling) {
  if (spelling.size() != 6 || !spelling.starts_with("<0x") || spelling.back() != '>') return std::nullopt;
  unsigned value = 0;
  const auto [end, error] = std::from_chars(spelling.data() + 3, spelling.data() + 5, value, 16);
  if (error != std::errc() || end != spelling.data() + 5) return std::nullopt;
  return static_cast<char>(value);
}

std::string bytes_of_token(const Spelling& how, std::string_view spelling) {
  if (how.is_byte_level) return bytes_of_byte_level(spelling).value_or(std::string(spelling));
  if (how.has_byte_tokens) {
    if (const auto byte = byte_of_token(spelling)) return std::string(1, *byte);
  }
  if (!how.marks_spaces) return std::string(spelling);
  std::string bytes;
  for (size_t mark = spelling.find(kSpaceMark); mark != std::string_view::npos; mark = spelling.find(kSpaceMark)) {
    bytes.append(spelling.substr(0, mark)) += ' ';
    spelling.remove_prefix(mark + kSpaceMark.size());
  }
  return bytes.append(spelling);
}

void set_token(TokenizerFacts& facts, size_t id, std::string bytes) {
  if (id >= facts.token_bytes.size()) facts.token_bytes.resize(id + 1);
  facts.token_bytes[id] = std::move(bytes);
}

// BPE and WordPiece: {"token": id}; Unigram: [["token", score], …] in the order of the ids.
void read_model(const json::object& model, const Spelling& spelling, TokenizerFacts& facts) {
  const json::value* vocabulary = model.if_contains("vocab");
  const std::string_view type = string_at(model, "type");
  if ((type == "BPE" || type.empty()) && vocabulary != nullptr && vocabulary->is_object()) {
    facts.kind = spelling.is_byte_level ? "byte-level BPE" : "SentencePiece BPE";
    for (const auto& [token, id] : vocabulary->get_object()) {
      set_token(facts, checked_id(id, token), bytes_of_token(spelling, token));
    }
    const json::value* unknown = vocabulary->get_object().if_contains(string_at(model, "unk_token"));
    if (unknown != nullptr) facts.unknown = static_cast<TokenId>(checked_id(*unknown, "unk_token"));
  } else if (type == "Unigram" && vocabulary != nullptr && vocabulary->is_array()) {
    facts.kind = "SentencePiece unigram";
    for (const json::value& item : vocabulary->get_array()) {
      const json::array* pair = item.if_array();
      if (pair == nullptr || pair->empty() || !(*pair)[0].is_string()) corrupt("an entry of the vocabulary is no pair");
      set_token(facts, facts.token_bytes.size(), bytes_of_token(spelling, (*pair)[0].get_string()));
    }
    const json::value* unknown = model.if_contains("unk_id");
    if (unknown != nullptr && !unknown->is_null()) facts.unknown = static_cast<TokenId>(checked_id(*unknown, "unk_id"));
  } else if (type == "WordPiece" && vocabulary != nullptr && vocabulary->is_object()) {
    facts.kind = "WordPiece";
    const std::string_view continuation = string_at(model, "continuing_subword_prefix");
    for (const auto& [token, id] : vocabulary->get_object()) {
      const std::string_view text = token;
      const bool goes_on = !continuation.empty() && text.starts_with(continuation);
      set_token(facts, checked_id(id, token),
                goes_on ? std::string(text.substr(continuation.size())) : " " + std::string(text));
    }
    const json::value* unknown = vocabulary->get_object().if_contains(string_at(model, "unk_token"));
    if (unknown != nullptr) facts.unknown = static_cast<TokenId>(checked_id(*unknown, "unk_token"));
  } else if (type != "BPE" && type != "Unigram" && type != "WordPiece") {
    unsupported(fmt::format("the model \"{}\" is not known; known: BPE, Unigram, WordPiece", type));
  } else {
    corrupt("the model has no vocabulary");
  }
}

void read_added_tokens(const json::value& list, TokenizerFacts& facts) {
  if (!list.is_array()) corrupt("added_tokens is no list");
  for (const json::value& item : list.get_array()) {
    if (!item.is_object()) corrupt("an added token is no object");
    const json::object& entry = item.get_object();
    const std::string_view content = string_at(entry, "content");
    const json::value* id = entry.if_contains("id");
    if (content.empty() || id == nullptr) corrupt("an added token without content or id");
    AddedToken token;
    token.id = static_cast<TokenId>(checked_id(*id, content));
    token.text = content;
    token.is_special = flag_at(entry, "special");
    token.is_single_word = flag_at(entry, "single_word");
    token.strips_left = flag_at(entry, "lstrip");
    token.strips_right = flag_at(entry, "rstrip");
    token.is_normalized = flag_at(entry, "normalized");
    set_token(facts, static_cast<size_t>(index_of(token.id)), token.text);
    facts.added_tokens.push_back(std::move(token));
  }
  std::sort(facts.added_tokens.begin(), facts.added_tokens.end(),
            [](const AddedToken& a, const AddedToken& b) { return index_of(a.id) < index_of(b.id); });
}

}  // namespace

std::string_view TokenizerFacts::bytes_of(TokenId token) const {
  const auto index = static_cast<size_t>(index_of(token));
  return index < token_bytes.size() ? std::string_view(token_bytes[index]) : std::string_view();
}

bool TokenizerFacts::is_special_token(TokenId token) const {
  const auto index = static_cast<size_t>(index_of(token));
  return index < is_special.size() && is_special[index];
}

TokenizerFacts read_tokenizer_facts(const json::object& tokenizer) {
  const json::object* model = object_at(tokenizer, "model");
  if (model == nullptr) corrupt("there is no model");
  Spelling spelling;
  if (const json::object* decoder = object_at(tokenizer, "decoder")) {
    add_decoder(*decoder, spelling);
  } else if (string_at(*model, "type") == "BPE" || string_at(*model, "type") == "Unigram") {
    unsupported("there is no decoder, so tokens cannot become text");
  }

  TokenizerFacts facts;
  facts.strips_first_space = spelling.strips_first_space;
  facts.pair_template = read_pair_template(tokenizer);
  read_model(*model, spelling, facts);
  if (const json::value* added = tokenizer.if_contains("added_tokens")) read_added_tokens(*added, facts);
  facts.is_special.resize(facts.token_bytes.size());
  for (const AddedToken& token : facts.added_tokens) {
    facts.is_special[static_cast<size_t>(index_of(token.id))] = token.is_special;
  }
  return facts;
}

}  // namespace pelton
