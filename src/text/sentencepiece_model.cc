#include "text/sentencepiece_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>
#include <utility>

#include "base/base64.h"
#include "base/error.h"
#include "text/gguf_tokenizer_json.h"

namespace pelton {
namespace {

constexpr size_t kPieceCountMax = size_t{1} << 24;

// Values of SentencePiece.Type, the same as GGUF's token types.
enum PieceType : int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };
enum ModelType : int64_t { kUnigram = 1, kBpe = 2 };

[[noreturn]] void corrupt(std::string_view what) {
  throw Error(ErrorCode::kCorruptFile, fmt::format("tokenizer.model: {}", what));
}

[[noreturn]] void unsupported(std::string_view what) {
  throw Error(ErrorCode::kUnsupported, fmt::format("tokenizer.model: {}", what));
}

// A field of a protobuf message (encoding: protobuf.dev, "Encoding").
struct Field {
  uint64_t number = 0;
  uint64_t integer = 0;    // of a varint
  std::string_view bytes;  // of everything else
  int64_t as_int64() const { return static_cast<int64_t>(integer); }
  bool as_bool() const { return integer != 0; }
  float as_float() const {
    if (bytes.size() != 4) corrupt("a score is no float");
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; ++i) bits |= uint32_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    return std::bit_cast<float>(bits);
  }
};

class MessageReader {
 public:
  explicit MessageReader(std::string_view bytes) : bytes_(bytes) {}

  // std::nullopt: the end.
  std::optional<Field> next() {
    if (bytes_.empty()) return std::nullopt;
    const uint64_t key = varint();
    Field field;
    field.number = key >> 3;
    switch (key & 7) {
      case 0:
        field.integer = varint();
        return field;
      case 1:
        field.bytes = take(8);
        return field;
      case 2:
        field.bytes = take(varint());
        return field;
      case 5:
        field.bytes = take(4);
        return field;
      default:
        corrupt(fmt::format("wire type {}", key & 7));
    }
  }

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    corrupt("a number of more than 10 bytes");
  }

  std::string_view take(uint64_t size) {
    if (size > bytes_.size()) corrupt("it ends in the middle of a field");
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

  std::string_view bytes_;
};

void read_piece(std::string_view bytes, GgufVocabulary& vocabulary) {
  if (vocabulary.tokens.size() == kPieceCountMax) corrupt(fmt::format("more than {} pieces", kPieceCountMax));
  std::string piece;
  float score = 0;
  int64_t type = kNormal;
  MessageReader reader(bytes);
  while (const auto field = reader.next()) {
    if (field->number == 1) piece = field->bytes;
    if (field->number == 2) score = field->as_float();
    if (field->number == 3) type = field->as_int64();
  }
  if (!std::isfinite(score)) corrupt(fmt::format("the score of piece {} is not finite", vocabulary.tokens.size()));
  vocabulary.tokens.push_back(std::move(piece));
  vocabulary.scores.push_back(score);
  vocabulary.token_types.push_back(type);
}

void read_trainer_spec(std::string_view bytes, GgufVocabulary& vocabulary) {
  int64_t model_type = kUnigram;
  int64_t unknown = 0, bos = 1, eos = 2, padding = -1;
  bool has_space_suffix = false;
  MessageReader reader(bytes);
  while (const auto field = reader.next()) {
    if (field->number == 3) model_type = field->as_int64();
    if (field->number == 24) has_space_suffix = field->as_bool();
    if (field->number == 40) unknown = static_cast<int32_t>(field->as_int64());
    if (field->number == 41) bos = static_cast<int32_t>(field->as_int64());
    if (field->number == 42) eos = static_cast<int32_t>(field->as_int64());
    if (field->number == 43) padding = static_cast<int32_t>(field->as_int64());
  }
  if (model_type != kUnigram && model_type != kBpe) {
    unsupported(fmt::format("the model type {} is not known; known: 1 (unigram), 2 (BPE)", model_type));
  }
  if (has_space_suffix) unsupported("spaces are marked at the end of words (treat_whitespace_as_suffix)");
  vocabulary.model = model_type == kBpe ? "llama" : "t5";
  const auto id = [](int64_t value) { return value < 0 ? std::nullopt : std::optional(value); };
  vocabulary.unknown = id(unknown);
  vocabulary.bos = id(bos);
  vocabulary.eos = id(eos);
  vocabulary.padding = id(padding);
}

void read_normalizer_spec(std::string_view bytes, SentencePieceModel& model) {
  bool escapes_spaces = true;
  MessageReader reader(bytes);
  while (const auto field = reader.next()) {
    if (field->number == 2) model.character_map = field->bytes;
    if (field->number == 3) model.vocabulary.adds_space_prefix = field->as_bool();
    if (field->number == 4) model.removes_extra_spaces = field->as_bool();
    if (field->number == 5) escapes_spaces = field->as_bool();
  }
  if (!escapes_spaces) unsupported("spaces are not written as U+2581 (escape_whitespaces)");
}

json::object unigram_model(const GgufVocabulary& vocabulary) {
  float lowest = 0;
  bool has_bytes = false;
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    has_bytes |= vocabulary.token_types[id] == kByte;
    if (vocabulary.token_types[id] == kNormal) lowest = std::min(lowest, vocabulary.scores[id]);
  }
  // SentencePiece never takes these from a text, the library knows no such pieces: worse than any other way to cut.
  constexpr double kNeverTaken = -10'000;
  json::array pieces;
  pieces.reserve(vocabulary.tokens.size());
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const bool is_normal = vocabulary.token_types[id] == kNormal;
    pieces.push_back(json::array{json::string(vocabulary.tokens[id]),
                                 is_normal ? double{vocabulary.scores[id]} : double{lowest} + kNeverTaken});
  }
  json::value unknown;
  if (vocabulary.unknown) unknown = *vocabulary.unknown;
  return {{"type", "Unigram"}, {"unk_id", unknown}, {"vocab", std::move(pieces)}, {"byte_fallback", has_bytes}};
}

json::object replace(std::string_view expression, std::string_view content) {
  return {{"type", "Replace"}, {"pattern", json::object{{"Regex", expression}}}, {"content", content}};
}

// What SentencePiece's normaliser does to a text, around `marks`: the steps that add and mark spaces.
json::array normalizers(const SentencePieceModel& model, const json::array& marks) {
  json::array steps;
  if (!model.character_map.empty()) {
    steps.push_back(json::object{{"type", "Precompiled"}, {"precompiled_charsmap", to_base64(model.character_map)}});
  }
  if (model.removes_extra_spaces) {
    steps.push_back(replace(" {2,}", " "));
    steps.push_back(replace(R"(\A )", ""));
  }
  for (const json::value& mark : marks) steps.push_back(mark);
  if (model.removes_extra_spaces) steps.push_back(replace("\u2581+\\z", ""));  // those that somebody wrote, too
  return steps;
}

}  // namespace

SentencePieceModel read_sentencepiece_model(std::string_view bytes) {
  SentencePieceModel model;
  GgufVocabulary& vocabulary = model.vocabulary;
  vocabulary.model = "t5";
  vocabulary.adds_space_prefix = true;
  vocabulary.adds_bos = false;  // the file does not say; the model's configuration does
  vocabulary.adds_eos = false;
  vocabulary.unknown = 0;
  std::string_view trainer_spec, normalizer_spec;
  MessageReader reader(bytes);
  while (const auto field = reader.next()) {
    if (field->number == 1) read_piece(field->bytes, vocabulary);
    if (field->number == 2) trainer_spec = field->bytes;
    if (field->number == 3) normalizer_spec = field->bytes;
  }
  read_trainer_spec(trainer_spec, vocabulary);
  read_normalizer_spec(normalizer_spec, model);
  return model;
}

json::object sentencepiece_tokenizer_json(const SentencePieceModel& model) {
  GgufVocabulary vocabulary = model.vocabulary;
  const bool is_unigram = vocabulary.model == "t5";
  vocabulary.model = "llama";  // all but the model itself is the same; also checks that everything fits together
  json::object tokenizer = gguf_tokenizer_json(vocabulary);
  if (is_unigram) tokenizer["model"] = unigram_model(vocabulary);
  json::value& list = tokenizer.at("normalizer").at("normalizers");
  list = normalizers(model, json::array(list.get_array()));
  return tokenizer;
}

}  // namespace pelton
