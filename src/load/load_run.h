// Puts an OpenAI-compatible server under load: closed (N clients, each asks again when it is answered) or open
// (requests come when they come, whether or not the server keeps up).
//
// One thread; every request is a coroutine. In open load latencies count from when a request should have been sent, so
// that a slow server can't hide its queue in ours ("coordinated omission").
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "hub/url.h"
#include "load/workload.h"

namespace pelton {

struct LoadTarget {
  Url url;  // of the server, with or without /v1
  std::string model;
  std::optional<std::string> key;
  bool uses_chat = true;                          // /v1/chat/completions, else /v1/completions
  json::object extra_body;                        // further fields of every request
  bool fills_answers = true;                      // answers have all their max_tokens (min_tokens, ignore_eos), in text
  Duration time_max = std::chrono::seconds(600);  // of one request
};

// What became of one request.
struct LoadOutcome {
  std::string error;                          // empty: answered in full
  Duration begin{};                           // since the run began: due (open) or sent (closed)
  std::vector<Duration> pieces;               // since `begin`: when each piece of text came
  Duration end{};                             // since `begin`
  std::optional<int64_t> prompt_token_count;  // as the server counts
  std::optional<int64_t> answer_token_count;

  bool is_ok() const { return error.empty(); }
};

struct LoadPlan {
  std::vector<LoadPrompt> prompts;                                // one a request
  int64_t client_count = 1;                                       // closed load,
  std::optional<std::vector<Duration>> arrivals;                  // or open: when each request is due
  std::optional<Duration> duration;                               // none begins later than this
  std::function<void(int64_t done, int64_t failed)> on_progress;  // now and then; may throw: ends the run
};

// One outcome for each request that began, in their order. Throws only what on_progress throws, once nothing is under
// way any more; and kInvalidArgument, kIo: the host is unknown.
std::vector<LoadOutcome> run_load(const LoadTarget& target, const LoadPlan& plan);

// One request alone, for what the server's tokenizer makes of a text. Error kIo: it was not answered.
LoadOutcome ask_once(const LoadTarget& target, const LoadPrompt& prompt);

// The first model that /v1/models names. Error kIo.
std::string first_model_of(const LoadTarget& target);

}  // namespace pelton
