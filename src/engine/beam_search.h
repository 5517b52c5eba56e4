// Beam search: of several beginnings of an answer, the beams, the likeliest continuations of them all are kept, step by
// step, and of those that came to an end the best. It chooses as generate(num_beams=…, do_sample=False) of transformers
// does (5.24, generation/utils.py, _beam_search): token by token the same answers.
//
// Pure: rows of logits in, tokens out; whose rows and pages they are, is others' business.
//
//   BeamSearch search(options, request, start, …);
//   do {
//     for each beam: search.expand(beam, its row of logits, scratch);
//   } while (!search.advance().empty());
//   search.take_answers();
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/answer.h"
#include "engine/request.h"
#include "engine/sampler.h"
#include "engine/token_rules.h"

namespace pelton {

class BeamSearch {
 public:
  // Of a request with beams that was validated. `start`: the answer without a token; it says where each one ends, at
  // the latest after `token_count_max` tokens. `end_tokens`: those that end it.
  BeamSearch(const GenerationRequest& request, std::span<const TokenId> end_tokens, Answer start,
             int64_t token_count_max);

  size_t beam_count() const { return beams_.size(); }  // one to begin with
  // What may follow a beam, by the logits [V] behind its last token. Once for each beam in a step; of different beams
  // by any threads. Errors as of Sampler::sample().
  void expand(size_t beam, std::span<const float> logits, SamplerScratch& scratch);
  bool is_expanded() const;  // all of them are

  struct Successor {
    size_t parent;  // of the beams until now
    TokenId token;  // that follows it
  };
  // The beams of the next step, best first, when all are expanded. None: the search has ended.
  const std::vector<Successor>& advance();

  struct Hypothesis {
    std::string text;
    std::vector<SampledToken> tokens;  // with log-probabilities where the request asked
    FinishReason reason = FinishReason::kStop;
    std::optional<std::string> stop;  // the stop string that ended it
    BeamScore score;
  };
  // At the end: best first, as many as beams. Less only where a request's rules leave no more.
  std::vector<Hypothesis> take_answers() { return std::move(answers_); }

 private:
  struct Continuation {
    TokenId token;
    double sum;     // of its beam and its own, with the rules' biases
    float logprob;  // its own, of the model
  };
  struct Beam {
    Answer answer;
    double sum = 0;                                               // of log-probabilities, with the rules' biases
    double logprob = 0;                                           // the same without
    std::optional<std::vector<Continuation>> continuations = {};  // likeliest first; none: not expanded yet
    std::vector<TokenLogprob> alternatives = {};                  // of the next token, as many as asked
  };
  // What a step added to a beam: answers are read off backwards.
  struct Node {
    size_t parent;  // of the step before
    SampledToken sampled;
    std::string text;
  };
  struct Candidate {
    size_t beam;
    const Continuation* continuation;
  };

  void rank_candidates();
  SampledToken sampled(const Candidate& candidate) const;
  // Adds an answer, where it is among the best.
  void keep(Node last, const Answer::Progress& end, double sum, double logprob);
  double score_of(double sum, int64_t token_count) const;
  bool has_ended(const std::vector<Beam>& next) const;

  BeamOptions options_;
  TokenRules rules_;  // of all beams, which have as many tokens as each other
  std::optional<int> logprobs_;
  int64_t considered_count_;  // of all candidates of a step, the likeliest
  int64_t expanded_count_;    // of one beam's
  int64_t token_count_max_;
  int64_t token_count_ = 0;               // of each beam
  std::vector<Beam> beams_;               // best first
  std::vector<std::vector<Node>> steps_;  // by step and beam
  std::vector<Candidate> candidates_;     // scratch
  std::vector<Successor> successors_;
  std::vector<Hypothesis> answers_;  // best first
};

}  // namespace pelton
