#include "text/gguf_vocabulary_from_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <span>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "text/gguf_tokenizer_json.h"
#include "text/pre_tokenizer.h"

namespace pelton {
namespace {

constexpr int64_t kTokenCountMax = int64_t{1} << 24;
constexpr size_t kProbedTokensMax = 64;
constexpr std::string_view kByteLevel = "byte-level BPE";  // Tokenizer::kind()

// Values of `tokenizer.ggml.token_type`.
enum TokenType : int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

// Where pre-tokenizers and normalisers differ: contractions in either case, runs of digits, of white space and of
// punctuation, line ends, letters with marks composed and not, scripts with and without spaces, symbols of several code
// points, code.
constexpr std::string_view kProbes[] = {
    "Hello, world! It's 2024, and we'll see what they've DONE'T; I'M sure he'd agree.",
    "1 12 123 1234 12345 1234567 3.14159 1,000,000 0xFF 10^6 x2y3 v1.2.3 ½ ² Ⅷ ٣٤٥ 一二三",
    " leading",
    "  two",
    "   three spaces",
    "trailing ",
    "trailing   ",
    "tab\tand\t\ttabs",
    "a  b   c    d     e",
    "line\nbreak\n\ntwo\n\n\nthree\r\nwindows\r\n\r\nend\n",
    "\n",
    " \n ",
    "\n\n  indented\n\t\tmore\n",
    "naïve café résumé Ångström — cafe\u0301 re\u0301sume\u0301 A\u030angstro\u0308m",
    "Straße ÀÉÎÕÜ ñandú Łódź Ünïcödé ﬁ ﬂ Ⅳ ™ © µ Ω \u2126",
    "Привет, мир! Как дела? Ελληνικά κείμενα. שלום עולם. مرحبا بالعالم. नमस्ते दुनिया. สวัสดีชาวโลก",
    "你好，世界！今天天气怎么样？ 日本語のテキストです。 한국어 텍스트입니다.",
    "emoji 😀😃 👩‍👩‍👧‍👦 🇫🇷🇩🇪 👍🏽 ❤️ ☃ zero\u200bwidth \u00a0nbsp "
    "\u3000wide",
    "def f(x: int) -> int:\n    return x**2 + 1  # square!!\n\nif __name__ == '__main__':\n\tprint(f\"{f(3)}\")\n",
    "{\"key\": [1, 2, {\"a\": null}], \"url\": \"https://example.org/a?b=c&d=e#f\"}",
    "<html><body>&amp;</body></html>",
    "...!!! ??? --- *** ((()))[[[]]]{{{}}} ,,,;;; @#$%^&*~`|\\/ <<>> == != <= >= && || ++ --",
    "'s 't 're 've 'm 'll 'd 'S 'T 'RE 'VE 'M 'LL 'D it''s don’t",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa AAAAAAAAAAAAAAAA AbCdEfGh iPhone eBay camelCaseWord snake_case_word",
    "▁ under▁score Ġ Ċ <0x0A> <0xFF> [PAD0] <s> </s> <unk> <|endoftext|>",
    "a",
    "",
    "\u0085\u2028x",
};

[[noreturn]] void corrupt(std::string_view what) {
  throw Error(ErrorCode::kCorruptFile, fmt::format("tokenizer.json: {}", what));
}

[[noreturn]] void unsupported(std::string_view what) {
  throw Error(ErrorCode::kUnsupported,
              fmt::format("this tokenizer.json cannot be written as a GGUF vocabulary: {}", what));
}

const json::value* value_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool flag_at(const json::object& object, std::string_view key) {
  const json::value* value = value_at(object, key);
  return value != nullptr && value->is_bool() && value->get_bool();
}

std::string_view string_at(const json::object& object, std::string_view key) {
  const json::value* value = value_at(object, key);
  return value != nullptr && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}

// The model of a tokenizer.json whose options GGUF can express.
const json::object& bpe_model(const json::object& tokenizer) {
  const json::value* model = value_at(tokenizer, "model");
  if (model == nullptr || !model->is_object()) corrupt("there is no model");
  const json::object& bpe = model->get_object();
  const std::string_view type = string_at(bpe, "type");
  if (!type.empty() && type != "BPE") unsupported(fmt::format("its model is {}; only BPE can be written", type));
  for (const std::string_view key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!string_at(bpe, key).empty()) unsupported(fmt::format("it has a {}", key));
  }
  if (value_at(bpe, "dropout") != nullptr) unsupported("it drops merges at random");
  return bpe;
}

// Tokens and their types by id, and what fills the gaps.
void fill_tokens(const json::object& bpe, const Tokenizer& tokenizer, const GgufVocabularyOptions& options,
                 GgufVocabulary& vocabulary) {
  if (options.token_count < tokenizer.vocabulary_size() || options.token_count > kTokenCountMax) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("the tokenizer has {} tokens, the model's embedding {}",
                                                         tokenizer.vocabulary_size(), options.token_count));
  }
  const auto count = static_cast<size_t>(options.token_count);
  vocabulary.tokens.resize(count);
  vocabulary.token_types.assign(count, kUnused);

  const json::value* pieces = value_at(bpe, "vocab");
  if (pieces == nullptr || !pieces->is_object()) corrupt("the model has no vocabulary");
  const bool has_byte_tokens = flag_at(bpe, "byte_fallback");
  for (const auto& [piece, id] : pieces->get_object()) {
    const auto index = static_cast<size_t>(id.to_number<int64_t>());  // from_json() has checked it
    vocabulary.tokens[index] = piece;
    const bool is_byte = has_byte_tokens && piece.size() == 6 && piece.starts_with("<0x") && piece.ends_with('>');
    vocabulary.token_types[index] = is_byte ? kByte : kNormal;
  }
  for (const AddedToken& token : tokenizer.added_tokens()) {
    const auto index = static_cast<size_t>(index_of(token.id));
    vocabulary.tokens[index] = token.text;
    vocabulary.token_types[index] = token.is_special ? kControl : kUserDefined;
  }
  // Byte-level vocabularies have a token for every byte: theirs is a control token like others.
  if (options.unknown && tokenizer.kind() != kByteLevel) {
    vocabulary.token_types[static_cast<size_t>(*options.unknown)] = kUnknown;
  }
  for (size_t id = 0; id < count; ++id) {
    if (vocabulary.tokens[id].empty()) vocabulary.tokens[id] = fmt::format("[PAD{}]", id);  // llama.cpp's spelling
  }
}

// "left right", or a pair of them.
std::vector<std::string> read_merges(const json::object& bpe) {
  const json::value* list = value_at(bpe, "merges");
  if (list == nullptr || !list->is_array()) corrupt("the model has no merges");
  std::vector<std::string> merges;
  merges.reserve(list->get_array().size());
  for (const json::value& item : list->get_array()) {
    if (item.is_string()) {
      merges.emplace_back(item.get_string());
      continue;
    }
    const json::array* pair = item.if_array();
    if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_string() || !(*pair)[1].is_string()) {
      corrupt("a merge is no pair of tokens");
    }
    merges.push_back(
        fmt::format("{} {}", std::string_view((*pair)[0].get_string()), std::string_view((*pair)[1].get_string())));
  }
  return merges;
}

// SentencePiece merges the pair whose joint piece has the best score: the rank of the first merge that makes a piece,
// negative, is such a score. Pieces that no merge makes come after all.
std::vector<float> scores_from_merges(const std::vector<std::string>& merges, const std::vector<std::string>& tokens) {
  std::unordered_map<std::string, size_t> ranks;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const size_t space = merges[rank].find(' ', 1);
    if (space == std::string::npos) corrupt("a merge is no pair of tokens");
    ranks.emplace(merges[rank].substr(0, space) + merges[rank].substr(space + 1), rank);
  }
  std::vector<float> scores;
  scores.reserve(tokens.size());
  for (const std::string& token : tokens) {
    const auto found = ranks.find(token);
    scores.push_back(-static_cast<float>(found == ranks.end() ? merges.size() : found->second));
  }
  return scores;
}

// What the post-processor adds to every text.
void read_additions(const Tokenizer& tokenizer, GgufVocabulary& vocabulary) {
  const std::vector<TokenId> plain = tokenizer.encode("a", {.parse_special = true, .add_special = false});
  std::vector<TokenId> whole = tokenizer.encode("a", {.parse_special = true, .add_special = true});
  const auto is = [](TokenId token, std::optional<int64_t> id) { return id && index_of(token) == *id; };
  vocabulary.adds_bos = whole.size() > plain.size() && is(whole.front(), vocabulary.bos);
  if (*vocabulary.adds_bos) whole.erase(whole.begin());
  vocabulary.adds_eos = whole.size() > plain.size() && is(whole.back(), vocabulary.eos);
  if (*vocabulary.adds_eos) whole.pop_back();
  if (whole != plain) unsupported("its post-processor adds other tokens than BOS first and EOS last");
}

std::vector<std::string> probes(const Tokenizer& tokenizer) {
  std::vector<std::string> texts(std::begin(kProbes), std::end(kProbes));
  for (const AddedToken& token :
       tokenizer.added_tokens().first(std::min(tokenizer.added_tokens().size(), kProbedTokensMax))) {
    if (!token.strips_left && !token.strips_right) texts.push_back("x" + token.text + "y");
  }
  return texts;
}

// The first text that the two encode differently; std::nullopt: none.
std::optional<std::string> difference(const Tokenizer& a, const Tokenizer& b, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    if (a.encode(text, {}) != b.encode(text, {})) return text;
  }
  return std::nullopt;
}

// The regular expressions and types of a pre-tokenizer, without the fields that do not matter here.
std::string essence(const json::value& pre_tokenizer) {
  if (pre_tokenizer.is_array()) {
    std::string text;
    for (const json::value& item : pre_tokenizer.get_array()) text += essence(item);
    return text;
  }
  if (!pre_tokenizer.is_object()) return "";
  std::string text;
  for (const auto& [key, value] : pre_tokenizer.get_object()) {
    if (key == "pretokenizers" || key == "pattern") text += essence(value);
    if (key == "type" || key == "Regex" || key == "String" || key == "individual_digits")
      text += json::serialize(value);
  }
  return text;
}

bool normalizes_nfc(const json::object& tokenizer) {
  const json::value* normalizer = value_at(tokenizer, "normalizer");
  if (normalizer == nullptr) return false;
  if (normalizer->is_object() && string_at(normalizer->get_object(), "type") == "NFC") return true;
  unsupported("it normalises texts in a way that GGUF has no name for");
}

// Names the pre-tokenizer, by trying all that could be meant, those that look the same first.
void name_pre_tokenizer(const json::object& json, const json::object& bpe, const Tokenizer& tokenizer,
                        GgufVocabulary& vocabulary) {
  const bool is_nfc = normalizes_nfc(json);
  const bool ignores_merges = flag_at(bpe, "ignore_merges");
  const json::value* own = value_at(json, "pre_tokenizer");
  const std::string own_essence = own == nullptr ? "" : essence(*own);
  std::vector<const PreTokenizer*> candidates;
  for (const PreTokenizer& row : pre_tokenizers()) {
    if (row.normalizes_nfc == is_nfc && row.ignores_merges == ignores_merges) candidates.push_back(&row);
  }
  std::stable_partition(candidates.begin(), candidates.end(),
                        [&](const PreTokenizer* row) { return essence(row->make()) == own_essence; });
  const std::vector<std::string> texts = probes(tokenizer);
  for (const PreTokenizer* row : candidates) {
    vocabulary.pre = row->names[0];
    if (!difference(tokenizer, *Tokenizer::from_gguf(vocabulary), texts)) return;
  }
  unsupported("its pre-tokenizer cuts words in a way that GGUF has no name for that Pelton knows");
}

void check_id(std::string_view what, std::optional<int64_t> id, const GgufVocabularyOptions& options) {
  if (!id || (*id >= 0 && *id < options.token_count)) return;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("the {} token {} is outside of the {} tokens", what, *id, options.token_count));
}

}  // namespace

ConvertedVocabulary gguf_vocabulary_from_json(std::string_view tokenizer_json, const Tokenizer& tokenizer,
                                              const GgufVocabularyOptions& options) {
  check_id("bos", options.bos, options);
  check_id("eos", options.eos, options);
  check_id("unknown", options.unknown, options);
  check_id("padding", options.padding, options);
  const json::value parsed = parse_json(tokenizer_json, "tokenizer.json", {.depth_max = 32});
  const json::object& json = parsed.get_object();
  const json::object& bpe = bpe_model(json);

  ConvertedVocabulary converted;
  GgufVocabulary& vocabulary = converted.vocabulary;
  vocabulary.bos = options.bos;
  vocabulary.eos = options.eos;
  vocabulary.unknown = options.unknown;
  vocabulary.padding = options.padding;
  fill_tokens(bpe, tokenizer, options, vocabulary);
  read_additions(tokenizer, vocabulary);

  std::vector<std::string> merges = read_merges(bpe);
  if (tokenizer.kind() == kByteLevel) {
    vocabulary.model = "gpt2";
    vocabulary.merges = std::move(merges);
    name_pre_tokenizer(json, bpe, tokenizer, vocabulary);
  } else {
    vocabulary.model = "llama";
    vocabulary.scores = scores_from_merges(merges, vocabulary.tokens);
    vocabulary.adds_space_prefix = tokenizer.strips_first_space();
    if (const auto text = difference(tokenizer, *Tokenizer::from_gguf(vocabulary), probes(tokenizer))) {
      unsupported(fmt::format("as SentencePiece's scores it would encode \"{}\" differently", *text));
    }
  }

  for (const AddedToken& token : tokenizer.added_tokens()) {
    if (!token.strips_left && !token.strips_right && !token.is_single_word) continue;
    converted.notes.push_back(
        fmt::format("the added token \"{}\" takes white space along or matches whole words only, which GGUF cannot say",
                    token.text));
  }
  return converted;
}

}  // namespace pelton
