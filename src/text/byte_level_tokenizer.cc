#include "text/byte_level_tokenizer.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "text/bridge_call.h"
#include "text/byte_level.h"
#include "text/encode_checks.h"
#include "text/utf8.h"

namespace pelton {
namespace {

constexpr size_t kIdleWorkspacesMax = 8;  // of 1 MB each

std::vector<AddedToken> tokens_where(const std::vector<AddedToken>& tokens, bool is_normalized) {
  std::vector<AddedToken> chosen;
  for (const AddedToken& token : tokens) {
    if (token.is_normalized == is_normalized) chosen.push_back(token);
  }
  return chosen;
}

// Where the white space begins that ends before `end`.
size_t spaces_begin(const UnicodeClassTable& classes, std::string_view text, size_t end) {
  while (end > 0) {
    size_t first = end - 1;
    while ((static_cast<unsigned char>(text[first]) & 0xC0) == 0x80) --first;
    if (!classes.is_in(decode_character(text.data() + first).code_point, kSpaceClasses)) break;
    end = first;
  }
  return end;
}

size_t spaces_end(const UnicodeClassTable& classes, std::string_view text, size_t begin) {
  while (begin < text.size()) {
    const auto [code_point, size] = decode_character(text.data() + begin);
    if (!classes.is_in(code_point, kSpaceClasses)) break;
    begin += size;
  }
  return begin;
}

bool all_matches(const AddedTokenMatch&) { return true; }

}  // namespace

// A workspace for the length of a call.
class ByteLevelTokenizer::Lease {
 public:
  explicit Lease(const ByteLevelTokenizer& tokenizer) : tokenizer_(tokenizer) {
    {
      const std::lock_guard lock(tokenizer.idle_mutex_);
      if (!tokenizer.idle_.empty()) {
        workspace_ = std::move(tokenizer.idle_.back());
        tokenizer.idle_.pop_back();
      }
    }
    if (workspace_ == nullptr) workspace_ = std::make_unique<Workspace>();
  }
  ~Lease() {
    const std::lock_guard lock(tokenizer_.idle_mutex_);
    if (tokenizer_.idle_.size() < kIdleWorkspacesMax) tokenizer_.idle_.push_back(std::move(workspace_));
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  Workspace& operator*() const { return *workspace_; }

 private:
  const ByteLevelTokenizer& tokenizer_;
  std::unique_ptr<Workspace> workspace_;
};

ByteLevelTokenizer::ByteLevelTokenizer(ByteLevelParts parts, TokenizerFacts tokenizer_facts)
    : DescribedTokenizer(std::move(tokenizer_facts)),
      parts_(std::move(parts)),
      classes_(UnicodeClassTable::instance()),
      raw_tokens_(tokens_where(facts().added_tokens, false)),
      normalized_tokens_(tokens_where(facts().added_tokens, true)),
      raw_matcher_(raw_tokens_),
      normalized_matcher_(normalized_tokens_) {
  idle_.reserve(kIdleWorkspacesMax);  // giving one back allocates nothing
}

std::vector<TokenId> ByteLevelTokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  check_utf8(text);
  if (!options.parse_special) {
    return with_additions(encode_with(text, find_ordinary_added_tokens(text)), options.add_special);
  }
  const Lease workspace(*this);
  Tokens tokens;
  tokens.reserve(text.size() / 4);
  encode_around(text, raw_matcher_.find(text, all_matches), tokens, [&](std::string_view gap) {
    const std::string_view normalized = normalize(gap, *workspace);
    if (normalized_tokens_.empty()) return encode_ordinary(normalized, *workspace, tokens);
    encode_around(normalized, normalized_matcher_.find(normalized, all_matches), tokens,
                  [&](std::string_view rest) { encode_ordinary(rest, *workspace, tokens); });
  });
  return with_additions(std::move(tokens), options.add_special);
}

std::vector<TokenId> ByteLevelTokenizer::encode_with(std::string_view text,
                                                     std::span<const AddedTokenMatch> matches) const {
  check_utf8(text);
  const Lease workspace(*this);
  Tokens tokens;
  tokens.reserve(text.size() / 4);
  encode_around(text, matches, tokens, [&](std::string_view gap) {
    const size_t first = tokens.size();
    encode_ordinary(normalize(gap, *workspace), *workspace, tokens);
    const bool spells_special =
        std::any_of(tokens.begin() + static_cast<std::ptrdiff_t>(first), tokens.end(),
                    [&](TokenId token) { return is_special(token) && token != facts().unknown; });
    if (spells_special) throw spelled_special_token_error();
  });
  return tokens;
}

// As the library does it: white space beside a token goes to it if it says so, but never what the one before has.
template <typename EncodeGap>
void ByteLevelTokenizer::encode_around(std::string_view text, std::span<const AddedTokenMatch> matches, Tokens& tokens,
                                       const EncodeGap& encode_gap) const {
  size_t taken = 0;
  for (const AddedTokenMatch& match : matches) {
    CHECK(match.begin + match.size <= text.size());
    size_t begin = match.begin;
    size_t end = match.begin + match.size;
    if (match.token->strips_left) begin = std::max(taken, spaces_begin(classes_, text, begin));
    if (match.token->strips_right) end = spaces_end(classes_, text, end);
    if (taken < begin) encode_gap(text.substr(taken, begin - taken));
    tokens.push_back(match.token->id);
    taken = end;
  }
  if (taken < text.size()) encode_gap(text.substr(taken));
}

std::string_view ByteLevelTokenizer::normalize(std::string_view text, Workspace& workspace) const {
  if (!parts_.normalizes_nfc || is_surely_nfc(text)) return text;
  BridgeBytes normalized, error;
  const auto status = pelton_bridge_compose(bridge_text(text), normalized.out(), error.out());
  if (status != PELTON_BRIDGE_OK) throw bridge_error(status, ErrorCode::kInvalidArgument, "cannot compose: ", error);
  workspace.normalized = normalized.view();
  return workspace.normalized;
}

void ByteLevelTokenizer::encode_ordinary(std::string_view text, Workspace& workspace, Tokens& tokens) const {
  cut(text, 0, workspace, tokens);
}

void ByteLevelTokenizer::cut(std::string_view text, size_t cut_index, Workspace& workspace, Tokens& tokens) const {
  const char* const end = text.data() + text.size();
  if (cut_index == parts_.cuts.size()) {
    if (!text.empty()) encode_word(text, end, workspace, tokens);
    return;
  }
  const auto piece_end = parts_.cuts[cut_index]->piece_end;
  const bool is_last = cut_index + 1 == parts_.cuts.size();
  for (const char* at = text.data(); at < end;) {
    const char* next = piece_end(classes_, at, end);
    const std::string_view piece(at, static_cast<size_t>(next - at));
    if (is_last) {
      encode_word(piece, end, workspace, tokens);
    } else {
      cut(piece, cut_index + 1, workspace, tokens);
    }
    at = next;
  }
}

void ByteLevelTokenizer::encode_word(std::string_view word, const char* buffer_end, Workspace& workspace,
                                     Tokens& tokens) const {
  const auto merge = [&] {
    if (parts_.ignores_merges) {
      if (const auto token = parts_.index.find(word)) return tokens.push_back(*token);
    }
    parts_.merger.merge(word, workspace.scratch, tokens);
  };
  if (word.size() > WordCache::kWordBytesMax) return merge();
  const WordCache::Key key = WordCache::key_of(word, buffer_end);
  if (const auto known = workspace.cache.find(key)) {
    tokens.insert(tokens.end(), known->begin(), known->end());
    return;
  }
  const size_t first = tokens.size();
  merge();
  workspace.cache.insert(key, std::span(tokens).subspan(first));
}

ByteLevelTokenizer::Tokens ByteLevelTokenizer::with_additions(Tokens tokens, bool add_special) const {
  if (!add_special) return tokens;
  tokens.insert(tokens.begin(), parts_.prefix.begin(), parts_.prefix.end());
  tokens.insert(tokens.end(), parts_.suffix.begin(), parts_.suffix.end());
  return tokens;
}

std::optional<TokenId> ByteLevelTokenizer::find(std::string_view token) const {
  for (const AddedToken& added : added_tokens()) {
    if (added.text == token) return added.id;
  }
  if (const auto unspelled = parts_.unspelled.find(token); unspelled != parts_.unspelled.end())
    return unspelled->second;
  if (find_invalid_utf8(token)) return std::nullopt;
  const auto bytes = bytes_of_byte_level(token);
  return bytes ? parts_.index.find(*bytes) : std::nullopt;
}

}  // namespace pelton
