#include "text/gguf_tokenizer_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "text/pre_tokenizer.h"
#include "text/utf8.h"
#include "text/wordpiece.h"

namespace pelton {
namespace {

constexpr std::string_view kSpaceMark = "\u2581";
constexpr size_t kTokenCountMax = size_t{1} << 24;
// SentencePiece's own limit is 16 characters unless asked for more; each way to cut a piece in two is looked up.
constexpr size_t kPieceBytesMax = 4096;

// Values of `tokenizer.ggml.token_type`.
enum TokenType : int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

[[noreturn]] void corrupt(std::string_view what) {
  throw Error(ErrorCode::kCorruptFile, fmt::format("the vocabulary of the GGUF file: {}", what));
}

// The arrays checked against each other, and the token types filled in.
class CheckedVocabulary {
 public:
  explicit CheckedVocabulary(const GgufVocabulary& vocabulary) : vocabulary_(vocabulary) {
    const size_t count = vocabulary.tokens.size();
    if (count == 0) corrupt("there are no tokens");
    if (count > kTokenCountMax) corrupt(fmt::format("{} tokens; at most {} are read", count, kTokenCountMax));
    check_count("scores", vocabulary.scores.size());
    check_count("token types", vocabulary.token_types.size());
    check_token_types();
    check_id("bos", vocabulary.bos);
    check_id("eos", vocabulary.eos);
    check_id("unknown", vocabulary.unknown);
    check_id("padding", vocabulary.padding);
    check_id("begin", vocabulary.begin);
    check_id("separator", vocabulary.separator);
    check_id("mask", vocabulary.mask);
    index_tokens();
  }

  size_t size() const { return vocabulary_.tokens.size(); }
  const std::string& token(size_t id) const { return vocabulary_.tokens[id]; }
  const std::unordered_map<std::string_view, size_t>& ids() const { return ids_; }

  int64_t type(size_t id) const {
    if (!vocabulary_.token_types.empty()) return vocabulary_.token_types[id];
    const auto is = [id](std::optional<int64_t> named) { return named && static_cast<size_t>(*named) == id; };
    if (is(vocabulary_.unknown)) return kUnknown;
    return is(vocabulary_.bos) || is(vocabulary_.eos) || is(vocabulary_.padding) ? kControl : kNormal;
  }

 private:
  void check_count(std::string_view what, size_t count) const {
    if (count == 0 || count == size()) return;
    corrupt(fmt::format("{} tokens but {} {}", size(), count, what));
  }

  // Taken for a normal token, one of an unknown type could be a control token that users may write.
  void check_token_types() const {
    for (size_t id = 0; id < vocabulary_.token_types.size(); ++id) {
      const int64_t type = vocabulary_.token_types[id];
      if (type >= kNormal && type <= kByte) continue;
      throw Error(ErrorCode::kUnsupported, fmt::format("the vocabulary of the GGUF file: token {} has the type {}; "
                                                       "known are 1 (normal) to 6 (byte)",
                                                       id, type));
    }
  }

  void check_id(std::string_view what, std::optional<int64_t> id) const {
    if (!id || (*id >= 0 && static_cast<size_t>(*id) < size())) return;
    corrupt(fmt::format("the {} token {} is outside of the {} tokens", what, *id, size()));
  }

  void index_tokens() {
    ids_.reserve(size());
    for (size_t id = 0; id < size(); ++id) {
      if (const auto at = find_invalid_utf8(token(id)))
        corrupt(fmt::format("token {} is not UTF-8 at byte {}", id, *at));
      const auto [first, is_new] = ids_.emplace(token(id), id);
      if (!is_new) corrupt(fmt::format("the tokens {} and {} are the same, \"{}\"", first->second, id, token(id)));
    }
  }

  const GgufVocabulary& vocabulary_;
  std::unordered_map<std::string_view, size_t> ids_;
};

json::object vocabulary_object(const CheckedVocabulary& vocabulary) {
  json::object object;
  object.reserve(vocabulary.size());
  for (size_t id = 0; id < vocabulary.size(); ++id) object[vocabulary.token(id)] = id;
  return object;
}

// Control tokens and the unknown token are special, user-defined ones are matched but shown.
json::array added_tokens(const CheckedVocabulary& vocabulary) {
  json::array added;
  for (size_t id = 0; id < vocabulary.size(); ++id) {
    const int64_t type = vocabulary.type(id);
    const bool is_special = type == kControl || type == kUnknown;
    if ((!is_special && type != kUserDefined) || vocabulary.token(id).empty()) continue;
    added.push_back(json::object{{"id", id},
                                 {"content", vocabulary.token(id)},
                                 {"single_word", false},
                                 {"lstrip", false},
                                 {"rstrip", false},
                                 {"normalized", false},
                                 {"special", is_special}});
  }
  return added;
}

// What is put before and after a text: BOS and EOS, where the vocabulary adds them.
json::value post_processor(const GgufVocabulary& vocabulary, bool adds_bos, bool adds_eos) {
  json::array single, pair;
  json::object special_tokens;
  const auto add = [&](std::string_view what, std::optional<int64_t> id) {
    if (!id) corrupt(fmt::format("it adds {} to texts but does not say which token that is", what));
    const std::string& token = vocabulary.tokens[static_cast<size_t>(*id)];
    single.push_back(json::object{{"SpecialToken", json::object{{"id", token}, {"type_id", 0}}}});
    special_tokens[token] =
        json::object{{"id", token}, {"ids", json::array{*id}}, {"tokens", json::array{json::string(token)}}};
  };
  const auto add_sequence = [](json::array& template_, const char* id) {
    template_.push_back(json::object{{"Sequence", json::object{{"id", id}, {"type_id", 0}}}});
  };
  if (adds_bos) add("BOS", vocabulary.bos);
  add_sequence(single, "A");
  if (adds_eos) add("EOS", vocabulary.eos);
  if (special_tokens.empty()) return nullptr;
  add_sequence(pair, "A");  // never used, but the format wants it
  add_sequence(pair, "B");
  return json::object{
      {"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", special_tokens}};
}

json::object byte_level_bpe(const GgufVocabulary& source, const CheckedVocabulary& vocabulary) {
  const PreTokenizer& cut = pre_tokenizer(source.pre);
  if (source.merges.empty()) corrupt("a byte-level BPE vocabulary without merges");
  json::array merges;
  merges.reserve(source.merges.size());
  for (const std::string& merge : source.merges) {
    // The left part is never empty, but may begin with a space in vocabularies that are not byte-level.
    const size_t space = merge.find(' ', 1);
    if (space == std::string::npos || find_invalid_utf8(merge)) corrupt(fmt::format("\"{}\" is no merge", merge));
    const std::string left = merge.substr(0, space), right = merge.substr(space + 1);
    for (const std::string& token : {left, right, left + right}) {
      if (!vocabulary.ids().contains(token)) corrupt(fmt::format("the merge \"{}\": no token \"{}\"", merge, token));
    }
    merges.push_back(json::array{json::string(left), json::string(right)});
  }
  return {{"version", "1.0"},
          {"added_tokens", added_tokens(vocabulary)},
          {"normalizer", cut.normalizes_nfc ? json::value(json::object{{"type", "NFC"}}) : json::value()},
          {"pre_tokenizer", cut.make()},
          {"post_processor",
           post_processor(source, source.adds_bos.value_or(cut.adds_bos), source.adds_eos.value_or(false))},
          {"decoder", byte_level(false)},
          {"model", json::object{{"type", "BPE"},
                                 {"ignore_merges", cut.ignores_merges},
                                 {"vocab", vocabulary_object(vocabulary)},
                                 {"merges", std::move(merges)}}}};
}

struct PieceMerge {
  std::string_view left, right;
  size_t left_id, right_id;
  float score;
  size_t left_length, right_length;  // characters
};

size_t character_count(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }));
}

// SentencePiece merges the two neighbours whose joint piece has the best score. A BPE with ranked merges does the same
// if each way to cut a piece into two others is a merge, ranked by the score of the piece; among equals in the order of
// the reference conversion (transformers, generate_merges): longer left part, longer right part, then the smaller ids.
json::array merges_from_scores(const GgufVocabulary& source, const CheckedVocabulary& vocabulary) {
  const auto takes_part = [&](size_t id) { return vocabulary.type(id) == kNormal; };
  std::vector<PieceMerge> merges;
  for (size_t id = 0; id < vocabulary.size(); ++id) {
    if (!takes_part(id)) continue;
    const std::string_view piece = vocabulary.token(id);
    if (piece.size() > kPieceBytesMax) corrupt(fmt::format("token {} has {} bytes", id, piece.size()));
    const size_t first = merges.size();
    for (size_t cut = 1; cut < piece.size(); ++cut) {
      if ((static_cast<unsigned char>(piece[cut]) & 0xC0) == 0x80) continue;
      const auto left = vocabulary.ids().find(piece.substr(0, cut));
      if (left == vocabulary.ids().end() || !takes_part(left->second)) continue;
      const auto right = vocabulary.ids().find(piece.substr(cut));
      if (right == vocabulary.ids().end() || !takes_part(right->second)) continue;
      merges.push_back({left->first, right->first, left->second, right->second, source.scores[id],
                        character_count(left->first), character_count(right->first)});
    }
    std::sort(merges.begin() + static_cast<std::ptrdiff_t>(first), merges.end(), [](const auto& a, const auto& b) {
      return std::pair(a.left_id, a.right_id) < std::pair(b.left_id, b.right_id);
    });
  }
  std::stable_sort(merges.begin(), merges.end(), [](const PieceMerge& a, const PieceMerge& b) {
    return std::tuple(a.score, a.left_length, a.right_length) > std::tuple(b.score, b.left_length, b.right_length);
  });

  json::array list;
  list.reserve(merges.size());
  for (const PieceMerge& merge : merges) {
    list.push_back(json::array{json::string(merge.left), json::string(merge.right)});
  }
  return list;
}

json::object replace(std::string_view pattern, std::string_view content) {
  return {{"type", "Replace"}, {"pattern", json::object{{"String", pattern}}}, {"content", content}};
}

json::object sentencepiece_bpe(const GgufVocabulary& source, const CheckedVocabulary& vocabulary) {
  if (source.scores.empty()) corrupt("a SentencePiece vocabulary without scores");
  if (std::any_of(source.scores.begin(), source.scores.end(), [](float score) { return score != score; })) {
    corrupt("a score is not a number");
  }
  const bool adds_space = source.adds_space_prefix.value_or(true);
  bool has_byte_tokens = false;
  json::value unknown;
  for (size_t id = 0; id < vocabulary.size(); ++id) {
    has_byte_tokens |= vocabulary.type(id) == kByte;
    if (vocabulary.type(id) == kUnknown && unknown.is_null()) unknown = vocabulary.token(id);
  }
  if (source.unknown) unknown = vocabulary.token(static_cast<size_t>(*source.unknown));

  json::array normalizers;
  if (adds_space) normalizers.push_back(json::object{{"type", "Prepend"}, {"prepend", kSpaceMark}});
  normalizers.push_back(replace(" ", kSpaceMark));
  json::array decoders = {replace(kSpaceMark, " ")};
  if (has_byte_tokens) decoders.push_back(json::object{{"type", "ByteFallback"}});
  decoders.push_back(json::object{{"type", "Fuse"}});
  if (adds_space) decoders.push_back(json::object{{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});

  return {{"version", "1.0"},
          {"added_tokens", added_tokens(vocabulary)},
          {"normalizer", json::object{{"type", "Sequence"}, {"normalizers", std::move(normalizers)}}},
          {"pre_tokenizer", nullptr},
          {"post_processor", post_processor(source, source.adds_bos.value_or(true), source.adds_eos.value_or(false))},
          {"decoder", json::object{{"type", "Sequence"}, {"decoders", std::move(decoders)}}},
          {"model", json::object{{"type", "BPE"},
                                 {"unk_token", std::move(unknown)},
                                 {"fuse_unk", true},
                                 {"byte_fallback", has_byte_tokens},
                                 {"vocab", vocabulary_object(vocabulary)},
                                 {"merges", merges_from_scores(source, vocabulary)}}}};
}

bool is_in_brackets(std::string_view token) { return token.starts_with('[') && token.ends_with(']'); }

// As llama.cpp's converter spells it: U+2581 begins a word, and what goes on within one has no mark. Files of old
// converters call all tokens normal.
json::object wordpiece(const GgufVocabulary& source, const CheckedVocabulary& vocabulary) {
  WordPieceVocabulary result;
  std::set<size_t> special;
  const auto use = [&](std::optional<int64_t> id, std::string& text) {
    if (!id) return;
    text = vocabulary.token(static_cast<size_t>(*id));
    special.insert(static_cast<size_t>(*id));
  };
  std::string unused;
  use(source.unknown, result.unknown);
  use(source.bos, result.begin);
  use(source.begin, result.begin);
  use(source.eos, result.end);
  use(source.separator, result.end);
  use(source.padding, unused);
  use(source.mask, unused);
  for (size_t id = 0; id < vocabulary.size(); ++id) {
    const std::string& token = vocabulary.token(id);
    const int64_t type = vocabulary.type(id);
    if (type == kControl || type == kUnknown) special.insert(id);
    if (special.contains(id) || type == kUserDefined || is_in_brackets(token)) {
      result.tokens.push_back(token);
    } else {
      result.tokens.push_back(token.starts_with(kSpaceMark) ? token.substr(kSpaceMark.size()) : "##" + token);
    }
  }
  result.special.assign(special.begin(), special.end());
  return wordpiece_tokenizer_json(result);
}

}  // namespace

json::object gguf_tokenizer_json(const GgufVocabulary& vocabulary) {
  constexpr std::pair<std::string_view, json::object (*)(const GgufVocabulary&, const CheckedVocabulary&)> kModels[] = {
      {"gpt2", byte_level_bpe}, {"llama", sentencepiece_bpe}, {"bert", wordpiece}};
  for (const auto& [name, make] : kModels) {
    if (vocabulary.model == name) return make(vocabulary, CheckedVocabulary(vocabulary));
  }
  throw Error(ErrorCode::kUnsupported,
              fmt::format("the tokenizer model \"{}\" (tokenizer.ggml.model) is not known; known: gpt2, llama, bert",
                          vocabulary.model));
}

}  // namespace pelton
