// What is asked of the engine and what it answers, as plain data.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "engine/reasoning.h"
#include "engine/time_account.h"
#include "text/grammar.h"
#include "text/token_id.h"

namespace pelton {

// Names a request, or one of several answers to it, within one engine; never used twice.
enum class RequestId : uint64_t {};

// Who waits for the answer: a person, a program, nobody just now. See engine/scheduler.h.
enum class Priority : uint8_t { kInteractive, kNormal, kBatch };

struct LogitBias {
  TokenId token;
  double value;  // added to its logit

  friend bool operator==(const LogitBias&, const LogitBias&) = default;
};

// See engine/dry_penalty.h.
struct DryOptions {
  double multiplier = 0;       // [0, 100]; 0: off
  double base = 1.75;          // [1, 10]
  int64_t allowed_length = 2;  // at least 1: tokens that may come again at no cost
  int64_t range = -1;          // so many of the last tokens are looked at; -1: all of prompt and answer
  std::vector<std::string> breakers = {"\n", ":", "\"", "*"};
};

// Keeps the surprise of the chosen tokens near a target, in place of top-k, top-p, typical-p and min-p (Basu et al.
// 2021, arXiv 2007.14966, the second algorithm).
struct MirostatOptions {
  double target_bits = 5;      // τ: surprise of a token, above 0
  double learning_rate = 0.1;  // η: (0, 1]
};

// Order of application: logit bias, allowed and banned tokens, min_tokens; repetition, frequency and presence penalty;
// DRY; temperature; top-n-sigma; top-k; typical-p; top-p; min-p; XTC.
struct SamplingParameters {
  // The limits of every front end, command line and HTTP alike.
  static constexpr size_t kTokenListMax = 16384;
  static constexpr int64_t kLogitBiasMax = 100;  // and its negative the least: OpenAI's
  static constexpr size_t kDryBreakerCountMax = 64;
  static constexpr size_t kDryBreakerBytesMax = 256;
  static constexpr size_t kStopCountMax = 64;
  static constexpr size_t kStopBytesMax = 4096;
  static constexpr int64_t kTemperatureMax = 100;
  static constexpr int64_t kPenaltyMax = 2;    // of frequency and presence, and its negative the least
  static constexpr int64_t kTopKOff = -1;      // as vLLM's clients write it; 0 means the same
  static constexpr int64_t kLogprobsMax = 20;  // OpenAI's

  double temperature = 1.0;         // 0: greedy. [0, 100]
  int64_t top_k = 0;                // 0 or -1: off
  double top_p = 1.0;               // (0, 1]; 1: off
  double min_p = 0.0;               // [0, 1]; 0: off. Relative to the most likely token
  double repetition_penalty = 1.0;  // > 0; over prompt and answer (Keskar et al. 2019, arXiv 1909.05858)
  double frequency_penalty = 0.0;   // [-2, 2]; over the answer, as OpenAI defines it
  double presence_penalty = 0.0;    // [-2, 2]
  std::vector<LogitBias> logit_bias;
  std::vector<TokenId> allowed_tokens;  // empty: all
  std::vector<TokenId> banned_tokens;
  double top_n_sigma = 0;      // [0, 100]; 0: off. Logits at least the highest less so many standard deviations
  double typical_p = 1;        // (0, 1]; 1: off
  double xtc_probability = 0;  // [0, 1]; 0: off. How often the likeliest choices are left out
  double xtc_threshold = 0.1;  // [0, 1]: what counts as a choice; over 0.5 there are never two
  DryOptions dry;
  std::optional<MirostatOptions> mirostat;
  std::optional<uint64_t> seed;       // absent: from the engine's own generator
  std::vector<std::string> stops;     // strings that end the answer and are not part of it: valid UTF-8, none empty
  std::vector<TokenId> stop_tokens;   // tokens that do likewise
  int64_t min_tokens = 0;             // so many tokens come before the model may end, or a stop is looked for
  std::optional<int64_t> max_tokens;  // at least 1; absent: up to the end of the context
  std::optional<int> logprobs;        // number of alternatives a token, 0 to 20; absent: no log-probabilities at all
  bool ignores_end_tokens = false;    // goes on after the model's end tokens (benchmarks)
};

// Error kInvalidArgument with the parameter's name: a value out of its domain (NaN is out of every one).
void validate(const SamplingParameters& sampling);
// The same: an id that is not in the vocabulary; rules that leave no token to choose. `end_tokens`: the model's own.
void validate_tokens(const SamplingParameters& sampling, int64_t vocabulary_size, std::span<const TokenId> end_tokens);
// What ends an answer: the model's end tokens, unless they are ignored, and the request's stop tokens.
std::vector<TokenId> ending_tokens(const SamplingParameters& sampling, std::span<const TokenId> end_tokens);

// When a beam search ends, once it has as many answers as beams: transformers' early_stopping.
enum class EarlyStopping : uint8_t {
  kHeuristic,  // false: when the best beam, were it an answer now, would be no better than the worst of them
  kWhenFull,   // true: at once
  kNever,      // "never": when the best beam can't become better than the worst of them, however long it grows
};

// Looks for the likeliest answers instead of sampling them: engine/beam_search.h.
struct BeamOptions {
  static constexpr int64_t kWidthMax = 64;
  static constexpr int64_t kLengthPenaltyMax = 10;  // and its negative the least

  int64_t width = 4;          // beams: beginnings that are followed at once
  double length_penalty = 1;  // an answer's score is the sum of its log-probabilities by this power of its tokens
  EarlyStopping early_stopping = EarlyStopping::kHeuristic;
};

struct GenerationRequest {
  std::vector<TokenId> prompt;  // at least one token
  SamplingParameters sampling;
  bool keeps_special_tokens = false;  // control tokens appear in the text
  // Log-probabilities of the prompt's own tokens, with so many alternatives each, 0 to 20; absent: none. Such a prompt
  // takes nothing from the prefix cache and leaves nothing there.
  std::optional<int> prompt_logprobs = {};
  Priority priority = Priority::kNormal;
  std::string client;      // requests of one client share what is one client's fair part; empty: one client too
  std::string cache_salt;  // prefixes are shared among requests of equal salt only
  std::string adapter;     // of Engine::adapters(); empty: the model alone
  std::optional<Duration> deadline = {};  // after submit; unfinished then: kCancelled
  // What the answer must follow, of Engine::grammars(); null: nothing. Then the grammar alone says where the answer may
  // end: no min_tokens, no ignores_end_tokens.
  std::shared_ptr<const Grammar> grammar = {};
  // The answer begins with reasoning, or may: a grammar holds, and the answer may end, only where that isn't open.
  std::optional<ReasoningOptions> reasoning = {};
  // Then the request's answers are the best of a beam search, best first, and each comes whole at the end; before it,
  // when the prompt is computed, a piece without anything.
  std::optional<BeamOptions> beams = {};
};

// Error kInvalidArgument with the parameter's name: what contradicts a grammar.
void validate_grammar(const GenerationRequest& request);
// The same: beams out of their domain, more answers than beams, or what beams can't be chosen by (all that samples).
void validate_beams(const GenerationRequest& request, size_t answer_count);

struct TokenLogprob {
  TokenId token;
  float logprob;  // natural logarithm, of the model's own distribution (before penalties and temperature)
};
struct SampledToken {
  TokenId token;
  std::optional<float> logprob;            // where the request asked
  std::vector<TokenLogprob> alternatives;  // most likely first; as many as asked
  std::optional<int64_t> rank = {};        // of a prompt's token, as logprob: how many are likelier, and 1
};

enum class FinishReason { kStop, kLength };  // an end token or stop string; max_tokens or the context's end
std::string_view finish_reason_name(FinishReason reason);  // OpenAI's: "stop", "length"

struct RequestTimings {
  Duration queue{};        // submitted → first computed
  Duration first_token{};  // submitted → first token (TTFT)
  Duration total{};        // submitted → finished
  TimeShares until_first_token;
  TimeShares after_first_token;
  Duration prompt_use{};  // the request's part of the machine's time, for its prompt
  Duration answer_use{};
};

struct BeamScore {
  double logprob = 0;  // the sum over the answer's tokens, with the end token; natural logarithm, of the model's own
  double score = 0;    // by which answers are ordered: length_penalty has been at it, and logit_bias
};

struct GenerationSummary {
  FinishReason reason = FinishReason::kStop;
  std::optional<std::string> stop;  // the stop string that ended it
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;      // of the prompt, found in the prefix cache
  int64_t completion_tokens = 0;  // all that were sampled, with the end token
  RequestTimings timings;
  std::optional<BeamScore> beam = {};  // of a beam search
};

// Receives a request's answer. All calls come from the engine's thread, in order, and must not block: hand over and
// return. After on_finish or on_error nothing more comes. The engine keeps a sink alive until then.
class GenerationSink {
 public:
  virtual ~GenerationSink() = default;
  // Once, before the first tokens, where prompt_logprobs asked for it: the prompt's tokens, of which the first has no
  // log-probability.
  virtual void on_prompt(const std::vector<SampledToken>& /*tokens*/) {}
  // `text` is what may be shown now: it may lag behind the tokens (unfinished characters, possible stop strings).
  // An end token is among the tokens but adds no text.
  virtual void on_tokens(std::string text, std::vector<SampledToken> tokens) = 0;
  virtual void on_finish(const GenerationSummary& summary) = 0;
  virtual void on_error(const Error& error) = 0;
};

}  // namespace pelton
