#include "engine/beam_search.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "base/check.h"
#include "ops/logits_row.h"

namespace pelton {

BeamSearch::BeamSearch(const GenerationRequest& request, std::span<const TokenId> end_tokens, Answer start,
                       int64_t token_count_max)
    : options_(request.beams.value()),
      rules_(request.sampling, end_tokens),
      logprobs_(request.sampling.logprobs),
      token_count_max_(token_count_max) {
  const auto end_token_count = static_cast<int64_t>(std::set(end_tokens.begin(), end_tokens.end()).size());
  // So far down transformers looks for those that go on: if the best all end, there are as many behind them.
  considered_count_ = options_.width * std::max<int64_t>(2, 1 + end_token_count);
  // Whatever the others have, as many go on from one beam at most, and those that end come beside them: of these, stop
  // strings make any number.
  expanded_count_ = request.sampling.stops.empty() ? options_.width + end_token_count : considered_count_;
  beams_.push_back({.answer = std::move(start)});
}

void BeamSearch::expand(size_t index, std::span<const float> logits, SamplerScratch& scratch) {
  Beam& beam = beams_[index];
  CHECK(!beam.continuations);
  const double normaliser = log_sum_exp(logits, peak_of(logits).value);
  std::span<const float> adjusted = logits;
  if (rules_.is_active()) {
    scratch.logits.assign(logits.begin(), logits.end());
    rules_.apply(scratch.logits);
    adjusted = scratch.logits;
  }
  const int64_t count = std::min(expanded_count_, static_cast<int64_t>(logits.size()));
  select_largest(adjusted, count, scratch.rank_buffer, scratch.indices);
  std::vector<Continuation> continuations;
  for (const int32_t id : scratch.indices) {
    const float logit = adjusted[static_cast<size_t>(id)];
    if (logit == TokenRules::kForbidden) continue;
    continuations.push_back(
        {TokenId{id}, beam.sum + logit - normaliser, static_cast<float>(logits[static_cast<size_t>(id)] - normaliser)});
  }
  std::stable_sort(continuations.begin(), continuations.end(),
                   [](const Continuation& a, const Continuation& b) { return a.sum > b.sum; });
  if (logprobs_ && *logprobs_ > 0) {
    beam.alternatives = score_token(logits, TokenId{0}, *logprobs_, scratch).alternatives;
  }
  beam.continuations = std::move(continuations);
}

bool BeamSearch::is_expanded() const {
  return std::all_of(beams_.begin(), beams_.end(), [](const Beam& beam) { return beam.continuations.has_value(); });
}

const std::vector<BeamSearch::Successor>& BeamSearch::advance() {
  CHECK(is_expanded());
  rank_candidates();
  ++token_count_;
  rules_.record();
  const auto width = static_cast<size_t>(options_.width);
  const size_t considered_count = std::min(candidates_.size(), static_cast<size_t>(considered_count_));
  std::vector<Beam> next;
  std::vector<Node> nodes;
  successors_.clear();
  for (size_t rank = 0; rank < considered_count && next.size() < width; ++rank) {
    const Candidate& candidate = candidates_[rank];
    const Beam& parent = beams_[candidate.beam];
    const Continuation& continuation = *candidate.continuation;
    Answer answer = parent.answer;
    Answer::Progress progress = answer.push(continuation.token);
    Node node{candidate.beam, sampled(candidate), std::move(progress.text)};
    const double logprob = parent.logprob + static_cast<double>(continuation.logprob);
    if (!progress.finish) {
      successors_.push_back({candidate.beam, continuation.token});
      nodes.push_back(std::move(node));
      next.push_back({.answer = std::move(answer), .sum = continuation.sum, .logprob = logprob});
    } else if (rank < width) {  // one behind so many others is no answer, however short
      keep(std::move(node), progress, continuation.sum, logprob);
    }
  }
  if (has_ended(next)) {
    next.clear();
    successors_.clear();
  }
  steps_.push_back(std::move(nodes));
  beams_ = std::move(next);
  return successors_;
}

void BeamSearch::rank_candidates() {
  candidates_.clear();
  for (size_t beam = 0; beam < beams_.size(); ++beam) {
    for (const Continuation& continuation : *beams_[beam].continuations) candidates_.push_back({beam, &continuation});
  }
  std::stable_sort(candidates_.begin(), candidates_.end(),
                   [](const Candidate& a, const Candidate& b) { return a.continuation->sum > b.continuation->sum; });
}

SampledToken BeamSearch::sampled(const Candidate& candidate) const {
  SampledToken sampled{candidate.continuation->token, {}, {}};
  if (!logprobs_) return sampled;
  sampled.logprob = candidate.continuation->logprob;
  sampled.alternatives = beams_[candidate.beam].alternatives;
  return sampled;
}

void BeamSearch::keep(Node last, const Answer::Progress& end, double sum, double logprob) {
  const double score = score_of(sum, token_count_);
  const auto place = std::find_if(answers_.begin(), answers_.end(),
                                  [&](const Hypothesis& answer) { return answer.score.score < score; });
  const auto width = static_cast<size_t>(options_.width);
  if (place == answers_.end() && answers_.size() == width) return;
  std::vector<const Node*> path{&last};
  for (size_t step = steps_.size(); step-- > 0;) path.push_back(&steps_[step][path.back()->parent]);
  Hypothesis answer{.text = {}, .tokens = {}, .reason = *end.finish, .stop = end.stop, .score = {logprob, score}};
  for (auto node = path.rbegin(); node != path.rend(); ++node) {
    answer.text += (*node)->text;
    answer.tokens.push_back((*node)->sampled);
  }
  answers_.insert(place, std::move(answer));
  if (answers_.size() > width) answers_.pop_back();
}

double BeamSearch::score_of(double sum, int64_t token_count) const {
  return sum / std::pow(static_cast<double>(token_count), options_.length_penalty);
}

bool BeamSearch::has_ended(const std::vector<Beam>& next) const {
  if (next.empty()) return true;
  if (answers_.size() < static_cast<size_t>(options_.width)) return false;
  if (options_.early_stopping == EarlyStopping::kWhenFull) return true;
  // Only a length that is rewarded makes more of a beam than it is.
  const bool may_gain = options_.early_stopping == EarlyStopping::kNever && options_.length_penalty > 0;
  return score_of(next.front().sum, may_gain ? token_count_max_ : token_count_) <= answers_.back().score.score;
}

}  // namespace pelton
