#include "text/pair_template.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pelton {
namespace {

using Kind = PairTemplate::Piece::Kind;

constexpr int64_t kIdMax = (1 << 24) - 1;
constexpr int64_t kTypeMax = 255;

constexpr const char* kPath = "post_processor";

[[noreturn]] void refuse() { throw Error(ErrorCode::kUnsupported, "a post-processor that is not understood"); }

const json::array& array_of(const JsonReader& reader, std::string_view key) {
  const json::array* array = reader.array(key);
  if (array == nullptr) refuse();
  return *array;
}

TokenId token_at(const json::value& value) {
  if (!value.is_int64() || value.get_int64() < 0 || value.get_int64() > kIdMax) refuse();
  return static_cast<TokenId>(value.get_int64());
}

int32_t type_of(const JsonReader& piece) {
  return static_cast<int32_t>(piece.integer("type_id", 0, kTypeMax).value_or(0));
}

// {"SpecialToken": {"id": "[SEP]", "type_id": 0}} stands for the ids under that name, {"Sequence": {"id": "A", …}} for
// the first text.
void add_piece(const JsonReader& piece, const JsonReader& special_tokens, PairTemplate& pair) {
  if (const json::object* text = piece.object("Sequence")) {
    const JsonReader reader(*text, kPath);
    const std::string id = reader.string("id").value_or("");
    if (id != "A" && id != "B") refuse();
    pair.pieces.push_back({.kind = id == "A" ? Kind::kFirstText : Kind::kSecondText, .type = type_of(reader)});
    return;
  }
  const json::object* special = piece.object("SpecialToken");
  if (special == nullptr) refuse();
  const JsonReader reader(*special, kPath);
  const json::object* token = special_tokens.object(reader.string("id").value_or(""));
  if (token == nullptr) refuse();
  for (const json::value& id : array_of(JsonReader(*token, kPath), "ids")) {
    pair.pieces.push_back({.kind = Kind::kToken, .token = token_at(id), .type = type_of(reader)});
  }
}

PairTemplate read_template(const JsonReader& processor) {
  const json::object none;
  const json::object* special_tokens = processor.object("special_tokens");
  PairTemplate pair;
  for (const json::value& piece : array_of(processor, "pair")) {
    add_piece(JsonReader::of(piece, kPath), JsonReader(special_tokens == nullptr ? none : *special_tokens, kPath),
              pair);
  }
  for (const Kind kind : {Kind::kFirstText, Kind::kSecondText}) {
    const auto count = std::count_if(pair.pieces.begin(), pair.pieces.end(),
                                     [&](const PairTemplate::Piece& piece) { return piece.kind == kind; });
    if (count != 1) refuse();
  }
  return pair;
}

// ["[SEP]", 102]
TokenId named_token(const JsonReader& processor, std::string_view key) {
  const json::array& entry = array_of(processor, key);
  if (entry.size() != 2) refuse();
  return token_at(entry[1]);
}

// Which of the library's two processors without a template it is decides how many separators there are, and whether the
// texts have types.
PairTemplate fixed_template(const JsonReader& processor, bool is_roberta) {
  const TokenId begin = named_token(processor, "cls");
  const TokenId separator = named_token(processor, "sep");
  const int32_t second = is_roberta ? 0 : 1;
  PairTemplate pair{{{Kind::kToken, begin, 0}, {Kind::kFirstText, {}, 0}, {Kind::kToken, separator, 0}}};
  if (is_roberta) pair.pieces.push_back({Kind::kToken, separator, 0});
  pair.pieces.push_back({Kind::kSecondText, {}, second});
  pair.pieces.push_back({Kind::kToken, separator, second});
  return pair;
}

std::optional<PairTemplate> read_processor(const JsonReader& processor) {
  const std::string type = processor.string("type").value_or("");
  if (type == "ByteLevel") return std::nullopt;  // moves offsets
  if (type == "TemplateProcessing") return read_template(processor);
  if (type != "BertProcessing" && type != "RobertaProcessing") refuse();
  return fixed_template(processor, type == "RobertaProcessing");
}

std::optional<PairTemplate> read_post_processor(const JsonReader& tokenizer) {
  const json::object* whole = tokenizer.object("post_processor");
  if (whole == nullptr) return std::nullopt;
  const JsonReader processor(*whole, kPath);
  if (processor.string("type") != "Sequence") return read_processor(processor);
  std::optional<PairTemplate> pair;
  for (const json::value& part : array_of(processor, "processors")) {
    const auto of_part = read_processor(JsonReader::of(part, kPath));
    if (of_part && pair) refuse();
    if (of_part) pair = of_part;
  }
  return pair;
}

}  // namespace

std::optional<PairTemplate> read_pair_template(const json::object& tokenizer) {
  try {
    return read_post_processor(JsonReader(tokenizer, kPath));
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace pelton
