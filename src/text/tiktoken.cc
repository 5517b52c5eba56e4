#include "text/tiktoken.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "base/base64.h"
#include "base/error.h"
#include "text/byte_level.h"
#include "text/pre_tokenizer.h"

namespace pelton {
namespace {

constexpr int64_t kRankMax = (1 << 24) - 1;
constexpr size_t kTokenBytesMax = 4096;  // each way to cut a token in two is looked up

[[noreturn]] void corrupt(std::string_view what) {
  throw Error(ErrorCode::kCorruptFile, fmt::format("the file of ranks: {}", what));
}

// --- what the names stand for

struct SpecialToken {
  std::string text;
  int64_t id;
};
using SpecialTokens = std::vector<SpecialToken>;

// Qwen's first tokenizer numbers them behind the ranks (tokenization_qwen.py).
SpecialTokens qwen_tokens(int64_t rank_count) {
  constexpr int kExtraCount = 205;
  SpecialTokens tokens;
  for (const char* text : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) tokens.push_back({text, rank_count++});
  for (int i = 0; i < kExtraCount; ++i) tokens.push_back({fmt::format("<|extra_{}|>", i), rank_count++});
  return tokens;
}

// tiktoken_ext/openai_public.py
SpecialTokens cl100k_tokens(int64_t) {
  return {{"<|endoftext|>", 100257},
          {"<|fim_prefix|>", 100258},
          {"<|fim_middle|>", 100259},
          {"<|fim_suffix|>", 100260},
          {"<|endofprompt|>", 100276}};
}
SpecialTokens o200k_tokens(int64_t) { return {{"<|endoftext|>", 199999}, {"<|endofprompt|>", 200018}}; }

struct Form {
  std::string_view name;
  std::string_view pre_tokenizer;  // of those that GGUF knows by name
  SpecialTokens (*special_tokens)(int64_t rank_count);
};
constexpr Form kForms[] = {{"qwen", "qwen2", qwen_tokens},
                           {"cl100k_base", "llama-bpe", cl100k_tokens},
                           {"o200k_base", "gpt-4o", o200k_tokens}};

const Form& form_of(std::string_view name) {
  std::string known;
  for (const Form& form : kForms) {
    if (form.name == name) return form;
    known += fmt::format("{}{}.tiktoken", known.empty() ? "" : ", ", form.name);
  }
  throw Error(
      ErrorCode::kUnsupported,
      fmt::format("the file {}.tiktoken does not say how it cuts texts; known by their names: {}", name, known));
}

// --- the file

struct Token {
  std::string bytes;
  int64_t rank;
};

Token read_line(std::string_view line, size_t number) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) corrupt(fmt::format("line {} has no rank", number));
  const auto bytes = from_base64(line.substr(0, space));
  if (!bytes || bytes->empty() || bytes->size() > kTokenBytesMax) {
    corrupt(fmt::format("line {} holds no token in base64", number));
  }
  int64_t rank = -1;
  const char* end = line.data() + line.size();
  const auto [stop, error] = std::from_chars(line.data() + space + 1, end, rank);
  if (error != std::errc() || stop != end || rank < 0 || rank > kRankMax) {
    corrupt(fmt::format("line {} has no rank from 0 to {}", number, kRankMax));
  }
  return {*bytes, rank};
}

// By rank.
std::vector<Token> read_tokens(std::string_view file) {
  std::vector<Token> tokens;
  for (size_t number = 1; !file.empty(); ++number) {
    const size_t end = std::min(file.find('\n'), file.size());
    std::string_view line = file.substr(0, end);
    file.remove_prefix(std::min(end + 1, file.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) tokens.push_back(read_line(line, number));
  }
  std::sort(tokens.begin(), tokens.end(), [](const Token& a, const Token& b) { return a.rank < b.rank; });
  const auto twice =
      std::adjacent_find(tokens.begin(), tokens.end(), [](const Token& a, const Token& b) { return a.rank == b.rank; });
  if (twice != tokens.end()) corrupt(fmt::format("two tokens have the rank {}", twice->rank));
  return tokens;
}

using Ranks = std::unordered_map<std::string_view, int64_t>;

Ranks index(const std::vector<Token>& tokens) {
  Ranks ranks;
  for (const Token& token : tokens) {
    if (!ranks.emplace(token.bytes, token.rank).second)
      corrupt(fmt::format("the token of rank {} comes twice", token.rank));
  }
  for (int byte = 0; byte < 256; ++byte) {
    const char character = static_cast<char>(byte);
    if (!ranks.contains({&character, 1})) corrupt(fmt::format("the byte {} has no token", byte));
  }
  return ranks;
}

// tiktoken joins any two neighbours that are a token together, the lowest rank first: so each way to cut a token into
// two others is a merge, in the order of ranks (transformers' TikTokenConverter does the same).
json::array merges_of(const std::vector<Token>& tokens, const Ranks& ranks) {
  json::array merges;
  std::vector<std::tuple<int64_t, int64_t, size_t>> cuts;  // ranks of both parts, the size of the first
  for (const Token& token : tokens) {
    const std::string_view bytes = token.bytes;
    cuts.clear();
    for (size_t size = 1; size < bytes.size(); ++size) {
      const auto left = ranks.find(bytes.substr(0, size)), right = ranks.find(bytes.substr(size));
      if (left != ranks.end() && right != ranks.end()) cuts.emplace_back(left->second, right->second, size);
    }
    std::sort(cuts.begin(), cuts.end());
    for (const auto& [left, right, size] : cuts) {
      merges.push_back(json::array{json::string(byte_level_of(bytes.substr(0, size))),
                                   json::string(byte_level_of(bytes.substr(size)))});
    }
  }
  return merges;
}

json::object added_token(const SpecialToken& token) {
  return {{"id", token.id},  {"content", token.text}, {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false},   {"special", true}};
}

}  // namespace

json::object tiktoken_tokenizer_json(std::string_view file, std::string_view name) {
  const Form& form = form_of(name);
  const std::vector<Token> tokens = read_tokens(file);
  const Ranks ranks = index(tokens);
  json::object vocabulary;
  vocabulary.reserve(tokens.size());
  for (const Token& token : tokens) vocabulary[byte_level_of(token.bytes)] = token.rank;
  json::array added;
  const int64_t rank_end = tokens.back().rank + 1;
  for (const SpecialToken& token : form.special_tokens(rank_end)) {
    if (token.id < rank_end) corrupt(fmt::format("it has {} ranks, more than a file of this name", rank_end));
    added.push_back(added_token(token));
    vocabulary[token.text] = token.id;  // there the library looks for its number, which may leave some out
  }
  const PreTokenizer& cutter = pre_tokenizer(form.pre_tokenizer);
  return {{"version", "1.0"},
          {"added_tokens", std::move(added)},
          {"normalizer", cutter.normalizes_nfc ? json::value(json::object{{"type", "NFC"}}) : json::value()},
          {"pre_tokenizer", cutter.make()},
          {"post_processor", nullptr},
          {"decoder", byte_level(true)},
          {"model", json::object{{"type", "BPE"},
                                 {"vocab", std::move(vocabulary)},
                                 {"merges", merges_of(tokens, ranks)},
                                 {"ignore_merges", true}}}};
}

}  // namespace pelton
