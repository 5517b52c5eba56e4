#include "engine/dry_penalty.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

namespace pelton {

std::vector<TokenId> tokens_with_any(const Tokenizer& tokenizer, std::span<const std::string> strings) {
  std::vector<TokenId> tokens;
  for (int32_t id = 0; id < tokenizer.vocabulary_size(); ++id) {
    const std::string_view bytes = tokenizer.token_bytes(TokenId{id});
    const auto is_within = [&](const std::string& text) { return bytes.find(text) != std::string_view::npos; };
    if (std::any_of(strings.begin(), strings.end(), is_within)) tokens.push_back(TokenId{id});
  }
  return tokens;
}

DryPenalty::DryPenalty(const DryOptions& options, std::span<const TokenId> breakers, std::span<const TokenId> prompt)
    : options_(options) {
  if (!is_active()) return;
  breakers_.insert(breakers.begin(), breakers.end());
  tokens_.assign(prompt.begin(), prompt.end());
}

void DryPenalty::record(TokenId token) {
  if (is_active()) tokens_.push_back(token);
}

// How many of the last tokens a repetition may reach back.
int64_t DryPenalty::breaker_distance() const {
  const auto breaker =
      std::find_if(tokens_.rbegin(), tokens_.rend(), [&](TokenId token) { return breakers_.contains(token); });
  return breaker - tokens_.rbegin();
}

// The Z function of the reversed text: how far the text up to each place agrees, read backwards, with the text up to
// the end.
void DryPenalty::find_repetitions() {
  repetitions_.clear();
  const auto size = static_cast<int64_t>(tokens_.size());
  const int64_t count = options_.range < 0 ? size : std::min(size, options_.range);
  const int64_t length_max = breaker_distance();
  if (length_max < options_.allowed_length) return;
  const auto back = [&](int64_t distance) { return tokens_[static_cast<size_t>(size - 1 - distance)]; };
  match_lengths_.assign(static_cast<size_t>(count), 0);
  int64_t left = 0;
  int64_t right = 0;  // [left, right) is the match known so far that reaches farthest
  for (int64_t i = 1; i < count; ++i) {
    int64_t length = i < right ? std::min(right - i, match_lengths_[static_cast<size_t>(i - left)]) : 0;
    while (i + length < count && back(length) == back(i + length)) ++length;
    match_lengths_[static_cast<size_t>(i)] = length;
    if (i + length > right) {
      left = i;
      right = i + length;
    }
    const int64_t repeated = std::min(length, length_max);
    if (repeated < options_.allowed_length) continue;
    int64_t& longest = repetitions_[back(i - 1)];
    longest = std::max(longest, repeated);
  }
}

void DryPenalty::apply(std::span<float> logits) {
  constexpr double kMax = std::numeric_limits<float>::max();
  find_repetitions();
  for (const auto& [token, length] : repetitions_) {
    float& logit = logits[static_cast<size_t>(index_of(token))];
    const double penalty =
        options_.multiplier * std::pow(options_.base, static_cast<double>(length - options_.allowed_length));
    logit = static_cast<float>(std::max(logit - penalty, -kMax));
  }
}

}  // namespace pelton
