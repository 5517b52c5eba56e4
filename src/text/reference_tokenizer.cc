#include "text/reference_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

#include "base/check.h"
#include "text/encode_checks.h"

namespace pelton {
namespace {

// 128 random bits: the one way to name an added token in the input of `tagged_`. It never shows in any output.
std::string make_tag_secret() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", device(), device(), device(), device());
}

std::vector<TokenId> bridge_encode(const BridgeTokenizer& tokenizer, std::string_view text, bool add_special) {
  pelton_bridge_ids ids = {};
  BridgeBytes error;
  const auto status =
      pelton_bridge_tokenizer_encode(tokenizer.get(), bridge_text(text), add_special, &ids, error.out());
  if (status != PELTON_BRIDGE_OK) throw bridge_error(status, ErrorCode::kInvalidArgument, "cannot tokenize: ", error);
  std::vector<TokenId> tokens;
  tokens.reserve(ids.size);
  for (size_t i = 0; i < ids.size; ++i) tokens.push_back(static_cast<TokenId>(ids.data[i]));
  pelton_bridge_ids_free(ids);
  return tokens;
}

}  // namespace

ReferenceTokenizer::ReferenceTokenizer(std::string_view tokenizer_json, TokenizerFacts tokenizer_facts)
    : DescribedTokenizer(std::move(tokenizer_facts)), tag_secret_(make_tag_secret()) {
  BridgeBytes error;
  pelton_bridge_tokenizer* loaded = nullptr;
  auto status = pelton_bridge_tokenizer_load(bridge_text(tokenizer_json), &loaded, error.out());
  if (status != PELTON_BRIDGE_OK) throw bridge_error(status, ErrorCode::kCorruptFile, "tokenizer.json: ", error);
  full_.reset(loaded);

  json::array tags;
  for (size_t i = 0; i < added_tokens().size(); ++i) {
    const AddedToken& token = added_tokens()[i];
    tags.push_back({{"content", tag(i)},
                    {"single_word", false},  // checked when it was found
                    {"lstrip", token.strips_left},
                    {"rstrip", token.strips_right},
                    {"normalized", false},
                    {"special", token.is_special}});
  }
  BridgeBytes share_error;
  pelton_bridge_tokenizer* shared = nullptr;
  status = pelton_bridge_tokenizer_share(full_.get(), bridge_text(json::serialize(tags)),
                                         static_cast<uint32_t>(vocabulary_size()), &shared, share_error.out());
  if (status != PELTON_BRIDGE_OK) throw bridge_error(status, ErrorCode::kCorruptFile, "tokenizer.json: ", share_error);
  tagged_.reset(shared);

  addition_count_ = bridge_encode(full_, "", true).size() - bridge_encode(full_, "", false).size();
}

std::string ReferenceTokenizer::tag(size_t index) const { return fmt::format("{}.{}.", tag_secret_, index); }

std::vector<TokenId> ReferenceTokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  check_utf8(text);
  if (options.parse_special) return bridge_encode(full_, text, options.add_special);
  return encode_tagged(text, find_ordinary_added_tokens(text), options.add_special);
}

std::vector<TokenId> ReferenceTokenizer::encode_with(std::string_view text,
                                                     std::span<const AddedTokenMatch> matches) const {
  check_utf8(text);
  return encode_tagged(text, matches, false);
}

// The library cannot be told where the added tokens of a text are, so each is written as its tag and read back by its
// number: all else (white space beside tokens, prefix spaces, normalisation) then is as the library does it.
std::vector<TokenId> ReferenceTokenizer::encode_tagged(std::string_view text, std::span<const AddedTokenMatch> matches,
                                                       bool add_special) const {
  // Not by find(): a fuzzer reads along what memcmp() compares, and so learns a secret that nobody else can.
  CHECK(std::search(text.begin(), text.end(), tag_secret_.begin(), tag_secret_.end()) == text.end());
  std::string tagged;
  tagged.reserve(text.size() + matches.size() * (tag_secret_.size() + 8));
  size_t begin = 0;
  for (const AddedTokenMatch& match : matches) {
    CHECK(match.begin >= begin && match.begin + match.size <= text.size());
    tagged += text.substr(begin, match.begin - begin);
    tagged += tag(static_cast<size_t>(match.token - added_tokens().data()));
    begin = match.begin + match.size;
  }
  tagged += text.substr(begin);

  std::vector<TokenId> tokens = bridge_encode(tagged_, tagged, add_special);
  size_t special_count = 0;
  for (TokenId& token : tokens) {
    if (index_of(token) >= vocabulary_size()) {
      token = added_tokens()[static_cast<size_t>(index_of(token) - vocabulary_size())].id;
    } else if (is_special(token) && token != facts().unknown) {
      ++special_count;
    }
  }
  if (special_count != (add_special ? addition_count_ : 0)) {
    throw spelled_special_token_error();
  }
  return tokens;
}

std::optional<TokenId> ReferenceTokenizer::find(std::string_view token) const {
  uint32_t id = 0;
  if (!pelton_bridge_tokenizer_find(full_.get(), bridge_text(token), &id)) return std::nullopt;
  return static_cast<TokenId>(id);
}

}  // namespace pelton
