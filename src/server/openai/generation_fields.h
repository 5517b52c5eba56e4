// What every generating endpoint understands: model, sampling, length, stops, streaming.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/request.h"
#include "model/bundle.h"
#include "server/openai/field.h"
#include "text/grammar.h"

namespace pelton::openai {

inline constexpr std::string_view kMaxTokensSchema = R"({"type": ["integer", "null"], "minimum": 1})";
inline constexpr std::string_view kStopSchema = R"({"anyOf": [{"type": ["string", "null"], "minLength": 1},
    {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 64}]})";

struct GenerationFields {
  std::optional<std::string> model;  // absent: the one that is served
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<int64_t> top_k;
  std::optional<double> min_p;
  std::optional<double> repetition_penalty;
  std::optional<double> frequency_penalty;
  std::optional<double> presence_penalty;
  std::optional<uint64_t> seed;
  std::optional<int64_t> max_tokens;
  int64_t min_tokens = 0;
  std::vector<std::string> stops;
  std::vector<TokenId> stop_tokens;
  std::vector<LogitBias> logit_bias;
  std::vector<TokenId> allowed_tokens;
  std::vector<TokenId> banned_tokens;
  std::optional<double> typical_p;
  std::optional<double> top_n_sigma;  // -1: off, as llama.cpp's clients write it
  std::optional<double> xtc_probability;
  std::optional<double> xtc_threshold;
  std::optional<double> dry_multiplier;
  std::optional<double> dry_base;
  std::optional<int64_t> dry_allowed_length;
  std::optional<int64_t> dry_range;
  std::optional<std::vector<std::string>> dry_breakers;
  bool uses_mirostat = false;
  std::optional<double> mirostat_tau;
  std::optional<double> mirostat_eta;
  bool ignores_end_tokens = false;
  int64_t choice_count = 1;                // answers to a prompt
  std::optional<int64_t> prompt_logprobs;  // with so many alternatives
  bool uses_beam_search = false;
  std::optional<int64_t> beam_count;  // over 1: beam search, too; absent: as many as answers
  std::optional<double> length_penalty;
  std::optional<EarlyStopping> early_stopping;
  Priority priority = Priority::kNormal;
  std::string client;      // `user`: whose fair part of the machine this is
  std::string cache_salt;  // prefixes are shared among requests of equal salt only
  std::optional<int64_t> deadline_ms;
  std::optional<GrammarSource> grammar;
  std::string grammar_field;  // which of its names
  bool streams = false;
  bool has_stream_options = false;
  bool includes_usage = false;
};

std::span<const Field<GenerationFields>> generation_fields();

// One string or several. Errors kInvalidArgument.
void read_stop(const JsonReader& reader, std::string_view name, GenerationFields& fields);
// `max_tokens`, under whichever of its names. Error kInvalidArgument: the other name said something else.
void read_max_tokens(const JsonReader& reader, std::string_view name, GenerationFields& fields);

// Errors: kInvalidArgument (stream_options without stream; what only beam search has without it), kUnsupported (a
// stream of it).
void check(const GenerationFields& fields);

// The beam search that is asked for, by vLLM's names or transformers'; none: none.
std::optional<BeamOptions> beams_of(const GenerationFields& fields);

// The request's values, else what the model's makers recommend, else OpenAI's defaults. Not so with
// beams, which sample nothing. `logprobs` as in SamplingParameters.
SamplingParameters sampling_of(const GenerationFields& fields, const GenerationDefaults& recommended,
                               std::optional<int64_t> logprobs);

// The request to the engine.
GenerationRequest generation_request(const GenerationFields& fields, std::vector<TokenId> prompt,
                                     SamplingParameters sampling);

// Reads a body by the common table and the endpoint's own into `request` (whose common part is `request.generation`).
// Errors: kInvalidArgument, kUnsupported, each with the field's name; a field that is in neither table is one.
template <class Request>
void read_generation_request(const json::value& body, std::span<const Field<Request>> own_fields, Request& request) {
  const JsonReader reader = JsonReader::of(body, "");
  refuse_unknown(body.get_object(), generation_fields(), own_fields);
  read_fields(reader, generation_fields(), request.generation);
  read_fields(reader, own_fields, request);
  check(request.generation);
}

}  // namespace pelton::openai
