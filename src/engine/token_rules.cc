#include "engine/token_rules.h"

#include <algorithm>
#include <limits>

namespace pelton {
namespace {

float& logit_of(std::span<float> logits, TokenId token) { return logits[static_cast<size_t>(index_of(token))]; }

}  // namespace

const float TokenRules::kForbidden = std::numeric_limits<float>::lowest();

TokenRules::TokenRules(const SamplingParameters& sampling, std::span<const TokenId> end_tokens)
    : biases_(sampling.logit_bias),
      allowed_(sampling.allowed_tokens),
      banned_(sampling.banned_tokens),
      end_tokens_(end_tokens.begin(), end_tokens.end()),
      min_tokens_(sampling.min_tokens),
      has_lists_(!biases_.empty() || !allowed_.empty() || !banned_.empty()) {
  std::sort(allowed_.begin(), allowed_.end());
}

void TokenRules::apply(std::span<float> logits) const {
  constexpr double kMax = std::numeric_limits<float>::max();
  for (const LogitBias& bias : biases_) {
    float& logit = logit_of(logits, bias.token);
    logit = static_cast<float>(std::clamp(logit + bias.value, -kMax, kMax));
  }
  if (!allowed_.empty()) {
    auto allowed = allowed_.begin();
    for (size_t id = 0; id < logits.size(); ++id) {
      while (allowed != allowed_.end() && static_cast<size_t>(index_of(*allowed)) < id) ++allowed;
      if (allowed == allowed_.end() || static_cast<size_t>(index_of(*allowed)) != id) logits[id] = kForbidden;
    }
  }
  for (const TokenId token : banned_) logit_of(logits, token) = kForbidden;
  if (!must_go_on()) return;
  for (const TokenId token : end_tokens_) logit_of(logits, token) = kForbidden;
}

std::optional<int64_t> TokenRules::forbidden_count() const {
  if (!biases_.empty() || !allowed_.empty()) return std::nullopt;
  return static_cast<int64_t>(banned_.size() + (must_go_on() ? end_tokens_.size() : 0));
}

bool TokenRules::forbids(TokenId token) const {
  const auto is_among = [&](const std::vector<TokenId>& tokens) {
    return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
  };
  return is_among(banned_) || (must_go_on() && is_among(end_tokens_));
}

bool TokenRules::leaves_any(int64_t vocabulary_size) const {
  std::vector<float> logits(static_cast<size_t>(vocabulary_size), 0.0f);
  apply(logits);
  return std::any_of(logits.begin(), logits.end(), [](float logit) { return logit != kForbidden; });
}

}  // namespace pelton
