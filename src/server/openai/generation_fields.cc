#include "server/openai/generation_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "engine/engine.h"
#include "server/openai/grammar_fields.h"

namespace pelton::openai {
namespace {

using Request = GenerationFields;

using Limits = SamplingParameters;
constexpr int64_t kCountMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kDeadlineMsMax = int64_t{365} * 24 * 3'600'000;

std::string stop_of(const json::value& value, const std::string& path) {
  if (!value.is_string()) throw Error(ErrorCode::kInvalidArgument, path + ": expected a string", path);
  std::string stop(value.get_string());
  if (stop.empty()) throw Error(ErrorCode::kInvalidArgument, path + ": an empty string would stop at once", path);
  if (stop.size() > Limits::kStopBytesMax) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: longer than {} bytes", path, Limits::kStopBytesMax),
                path);
  }
  return stop;
}

template <auto kMember, int kMax>
void read_positive(const JsonReader& reader, std::string_view name, Request& request) {
  const std::optional<double> value = reader.number(name, 0, kMax);
  if (!value) return;
  if (!(*value > 0)) reader.fail(name, fmt::format("a number above 0 and at most {}", kMax));
  request.*kMember = *value;
}

// A negative seed stands for its two's complement, as on the command line.
void read_seed(const JsonReader& reader, std::string_view name, Request& request) {
  const json::value* value = reader.value(name);
  if (value == nullptr) return;
  constexpr auto kMin = std::numeric_limits<int64_t>::min();
  if (value->is_uint64()) {
    request.seed = value->get_uint64();
  } else if (value->is_int64() || value->is_double()) {
    request.seed = static_cast<uint64_t>(*reader.integer(name, kMin, std::numeric_limits<int64_t>::max()));
  } else {
    reader.fail(name, fmt::format("an integer from {} to {}", kMin, std::numeric_limits<uint64_t>::max()));
  }
}

std::vector<TokenId> tokens_of(const JsonReader& reader, std::string_view name) {
  std::vector<TokenId> tokens;
  const json::array* ids = reader.array(name);
  if (ids == nullptr) return tokens;
  if (ids->size() > Limits::kTokenListMax) reader.fail(name, fmt::format("at most {} tokens", Limits::kTokenListMax));
  for (const json::value& id : *ids) {
    const int64_t* number = id.if_int64();
    if (number == nullptr || *number < 0 || *number > std::numeric_limits<int32_t>::max()) {
      reader.fail(name, "an array of token ids");
    }
    tokens.push_back(TokenId{static_cast<int32_t>(*number)});
  }
  return tokens;
}

void read_stop_tokens(const JsonReader& reader, std::string_view name, Request& request) {
  request.stop_tokens = tokens_of(reader, name);
}
// An empty list means all, as leaving it out does; vLLM refuses it.
void read_allowed_tokens(const JsonReader& reader, std::string_view name, Request& request) {
  request.allowed_tokens = tokens_of(reader, name);
}
void read_banned_tokens(const JsonReader& reader, std::string_view name, Request& request) {
  request.banned_tokens = tokens_of(reader, name);
}

// OpenAI's form: an object of numbers by token ids.
void read_logit_bias(const JsonReader& reader, std::string_view name, Request& request) {
  const json::object* biases = reader.object(name);
  if (biases == nullptr) return;
  if (biases->size() > Limits::kTokenListMax) {
    reader.fail(name, fmt::format("at most {} tokens", Limits::kTokenListMax));
  }
  const JsonReader values(*biases, reader.path_of(name));
  for (const auto& member : *biases) {
    const std::string_view key = member.key();
    int32_t id = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size()) reader.fail(name, "token ids as names");
    constexpr auto kMax = static_cast<double>(Limits::kLogitBiasMax);
    const std::optional<double> value = values.number(key, -kMax, kMax);
    if (value) request.logit_bias.push_back({TokenId{id}, *value});
  }
}

void read_dry_breakers(const JsonReader& reader, std::string_view name, Request& request) {
  const json::array* breakers = reader.array(name);
  if (breakers == nullptr) return;
  request.dry_breakers.emplace();
  for (const json::value& breaker : *breakers) {
    if (!breaker.is_string()) reader.fail(name, "an array of strings");
    request.dry_breakers->emplace_back(breaker.get_string());
  }
}

// llama.cpp's numbers of the two algorithms.
void read_mirostat(const JsonReader& reader, std::string_view name, Request& request) {
  const std::optional<int64_t> version = reader.integer(name, 0, 2);
  if (version == 1) {
    throw Error(ErrorCode::kUnsupported, reader.path_of(name) + ": 1 is not supported, only 2 (or 0: off)",
                reader.path_of(name));
  }
  request.uses_mirostat = version == 2;
}

// transformers' form: a boolean, or "never".
void read_early_stopping(const JsonReader& reader, std::string_view name, Request& request) {
  const json::value* value = reader.value(name);
  if (value == nullptr) return;
  if (value->is_bool()) {
    request.early_stopping = value->get_bool() ? EarlyStopping::kWhenFull : EarlyStopping::kHeuristic;
  } else if (*value == "never") {
    request.early_stopping = EarlyStopping::kNever;
  } else {
    reader.fail(name, R"(true, false or "never")");
  }
}

void read_priority(const JsonReader& reader, std::string_view name, Request& request) {
  const std::optional<std::string> priority = reader.string(name);
  if (!priority) return;
  constexpr std::pair<std::string_view, Priority> kNames[] = {
      {"interactive", Priority::kInteractive}, {"normal", Priority::kNormal}, {"batch", Priority::kBatch}};
  for (const auto& [known, value] : kNames) {
    if (*priority == known) {
      request.priority = value;
      return;
    }
  }
  reader.fail(name, R"("interactive", "normal" or "batch")");
}

void read_stream_options(const JsonReader& reader, std::string_view name, Request& request) {
  const json::value* value = reader.value(name);
  if (value == nullptr) return;
  request.has_stream_options = true;
  const JsonReader options = JsonReader::of(*value, reader.path_of(name));
  options.refuse_others({"include_usage", "include_obfuscation"});
  request.includes_usage = options.boolean("include_usage").value_or(false);
  // Padding of the events against observers of the network: asking for it and not getting it would be a false promise.
  if (options.boolean("include_obfuscation").value_or(false))
    options.fail("include_obfuscation", "false (not supported)");
}

template <void (*kRead)(const JsonReader&, std::string_view, std::optional<GrammarSource>&)>
void read_grammar(const JsonReader& reader, std::string_view name, Request& request) {
  const bool had_one = request.grammar.has_value();
  kRead(reader, name, request.grammar);
  if (!had_one && request.grammar) request.grammar_field = name;
}

constexpr Neutral kPlainTier{"\"auto\" or \"default\"", R"({"enum": ["auto", "default", null]})",
                             [](const json::value& value) { return value == "auto" || value == "default"; }};

constexpr std::string_view kTokensSchema =
    R"({"type": ["array", "null"], "items": {"type": "integer", "minimum": 0}, "maxItems": 16384})";

constexpr Field<Request> kFields[] = {
    string<&Request::model>("model"),
    number<&Request::temperature>("temperature", 0, Limits::kTemperatureMax),
    other<Request, read_positive<&Request::top_p, 1>>(
        "top_p", R"({"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 1})"),
    integer<&Request::top_k>("top_k", Limits::kTopKOff, kCountMax),
    number<&Request::min_p>("min_p", 0, 1),
    other<Request, read_positive<&Request::repetition_penalty, 100>>(
        "repetition_penalty", R"({"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 100})"),
    number<&Request::frequency_penalty>("frequency_penalty", -Limits::kPenaltyMax, Limits::kPenaltyMax),
    number<&Request::presence_penalty>("presence_penalty", -Limits::kPenaltyMax, Limits::kPenaltyMax),
    other<Request, read_positive<&Request::typical_p, 1>>(
        "typical_p", R"({"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 1})"),
    number<&Request::top_n_sigma>("top_n_sigma", -1, 100),
    number<&Request::xtc_probability>("xtc_probability", 0, 1),
    number<&Request::xtc_threshold>("xtc_threshold", 0, 1),
    number<&Request::dry_multiplier>("dry_multiplier", 0, 100),
    number<&Request::dry_base>("dry_base", 1, 10),
    integer<&Request::dry_allowed_length>("dry_allowed_length", 1, kCountMax),
    integer<&Request::dry_range>("dry_penalty_last_n", -1, kCountMax),
    other<Request, read_dry_breakers>("dry_sequence_breakers",
                                      R"({"type": ["array", "null"], "items": {"type": "string"}})"),
    other<Request, read_mirostat>("mirostat", R"({"enum": [0, 2, null]})"),
    other<Request, read_positive<&Request::mirostat_tau, 100>>(
        "mirostat_tau", R"({"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 100})"),
    other<Request, read_positive<&Request::mirostat_eta, 1>>(
        "mirostat_eta", R"({"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 1})"),
    other<Request, read_logit_bias>(
        "logit_bias",
        R"({"type": ["object", "null"], "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100}, "propertyNames": {"pattern": "^[0-9]{1,9}$"}})"),
    other<Request, read_allowed_tokens>("allowed_token_ids", kTokensSchema),
    other<Request, read_banned_tokens>("banned_token_ids", kTokensSchema),
    other<Request, read_seed>("seed", R"({"type": ["integer", "null"]})"),
    integer<&Request::min_tokens>("min_tokens", 0, kCountMax),
    other<Request, read_max_tokens>("max_tokens", kMaxTokensSchema),
    other<Request, read_stop>("stop", kStopSchema),
    other<Request, read_stop_tokens>("stop_token_ids", kTokensSchema),
    boolean<&Request::ignores_end_tokens>("ignore_eos"),
    boolean<&Request::streams>("stream"),
    other<Request, read_stream_options>(
        "stream_options",
        R"({"type": ["object", "null"], "properties": {"include_usage": {"type": ["boolean", "null"]}, "include_obfuscation": {"enum": [false, null]}}, "additionalProperties": false})"),
    integer<&Request::choice_count>("n", 1, static_cast<int64_t>(Engine::kChoiceCountMax)),
    integer<&Request::prompt_logprobs>("prompt_logprobs", 0, Limits::kLogprobsMax),
    boolean<&Request::uses_beam_search>("use_beam_search"),
    integer<&Request::beam_count>("num_beams", 1, BeamOptions::kWidthMax),
    number<&Request::length_penalty>("length_penalty", -BeamOptions::kLengthPenaltyMax, BeamOptions::kLengthPenaltyMax),
    other<Request, read_early_stopping>("early_stopping", R"({"enum": [true, false, "never", null]})"),
    other<Request, read_priority>("priority", R"({"enum": ["interactive", "normal", "batch", null]})"),
    string<&Request::client>("user"),
    string<&Request::cache_salt>("cache_salt"),
    integer<&Request::deadline_ms>("deadline_ms", 1, kDeadlineMsMax),
    other<Request, read_grammar<read_response_format>>(
        "response_format",
        R"({"anyOf": [{"type": "null"}, {"type": "object", "properties": {"type": {"enum": ["text", "json_object"]}}, "required": ["type"], "additionalProperties": false}, {"type": "object", "properties": {"type": {"const": "json_schema"}, "json_schema": {"type": "object", "properties": {"name": {}, "description": {}, "schema": {"type": "object"}, "strict": {"type": ["boolean", "null"]}}, "additionalProperties": false}}, "required": ["type", "json_schema"], "additionalProperties": false}]})"),
    other<Request, read_grammar<read_structured_outputs>>(
        "structured_outputs",
        R"({"type": ["object", "null"], "properties": {"json": {"type": ["object", "string"]}, "regex": {"type": "string"}, "choice": {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1}, "grammar": {"type": "string"}, "json_object": {"type": "boolean"}}, "additionalProperties": false})"),
    other<Request, read_grammar<read_guided_json>>("guided_json",
                                                   R"({"type": ["object", "string", "boolean", "null"]})"),
    other<Request, read_grammar<read_guided_regex>>("guided_regex", R"({"type": ["string", "null"]})"),
    other<Request, read_grammar<read_guided_choice>>(
        "guided_choice", R"({"type": ["array", "null"], "items": {"type": "string", "minLength": 1}, "minItems": 1})"),
    other<Request, read_grammar<read_guided_grammar>>("guided_grammar", R"({"type": ["string", "null"]})"),
    ignored<Request>("safety_identifier"),
    ignored<Request>("metadata"),  // labels of stored answers; see `store`
    ignored<Request>("prompt_cache_key"),
    ignored<Request>("prompt_cache_retention"),
    neutral_only<Request, kFalse>("store"),  // true promises that the answer can be fetched later
    neutral_only<Request, kPlainTier>("service_tier"),
};

}  // namespace

std::span<const Field<GenerationFields>> generation_fields() { return kFields; }

void read_stop(const JsonReader& reader, std::string_view name, GenerationFields& request) {
  const json::value* value = reader.value(name);
  if (value == nullptr) return;
  if (!value->is_array()) {
    if (!value->is_string()) reader.fail(name, "a string or an array of strings");
    request.stops = {stop_of(*value, reader.path_of(name))};
    return;
  }
  const json::array& stops = value->get_array();
  if (stops.size() > Limits::kStopCountMax) {
    reader.fail(name, fmt::format("at most {} strings", Limits::kStopCountMax));
  }
  for (size_t i = 0; i < stops.size(); ++i) {
    request.stops.push_back(stop_of(stops[i], fmt::format("{}[{}]", reader.path_of(name), i)));
  }
}

void read_max_tokens(const JsonReader& reader, std::string_view name, GenerationFields& fields) {
  const auto count = reader.integer(name, 1, kCountMax);
  if (!count) return;
  if (fields.max_tokens && fields.max_tokens != count) reader.fail(name, "the same value under both of its names");
  fields.max_tokens = count;
}

void check(const GenerationFields& fields) {
  if (fields.has_stream_options && !fields.streams) {
    throw Error(ErrorCode::kInvalidArgument, "stream_options: only with \"stream\": true", "stream_options");
  }
  if (fields.prompt_logprobs && fields.streams) {  // vLLM's rule
    throw Error(ErrorCode::kInvalidArgument, "prompt_logprobs: only without \"stream\"", "prompt_logprobs");
  }
  if (beams_of(fields)) {
    if (!fields.streams) return;
    throw Error(ErrorCode::kUnsupported,
                "stream: not with beam search, of which nobody knows the answer before its end; ask without", "stream");
  }
  // Values that change nothing are no mistake: some clients send all that they know.
  const auto refuse_if = [](bool is_set, const std::string& name) {
    if (is_set) throw Error(ErrorCode::kInvalidArgument, name + ": only with use_beam_search or num_beams", name);
  };
  refuse_if(fields.length_penalty.value_or(1) != 1, "length_penalty");
  refuse_if(fields.early_stopping.value_or(EarlyStopping::kHeuristic) != EarlyStopping::kHeuristic, "early_stopping");
}

std::optional<BeamOptions> beams_of(const GenerationFields& fields) {
  if (!fields.uses_beam_search && fields.beam_count.value_or(1) == 1) return std::nullopt;
  BeamOptions beams;
  beams.width = fields.beam_count.value_or(fields.choice_count);
  beams.length_penalty = fields.length_penalty.value_or(beams.length_penalty);
  beams.early_stopping = fields.early_stopping.value_or(beams.early_stopping);
  return beams;
}

GenerationRequest generation_request(const GenerationFields& fields, std::vector<TokenId> prompt,
                                     SamplingParameters sampling) {
  GenerationRequest request{.prompt = std::move(prompt),
                            .sampling = std::move(sampling),
                            .priority = fields.priority,
                            .client = fields.client,
                            .cache_salt = fields.cache_salt};
  if (fields.prompt_logprobs) request.prompt_logprobs = static_cast<int>(*fields.prompt_logprobs);
  request.beams = beams_of(fields);
  if (fields.deadline_ms) request.deadline = std::chrono::milliseconds(*fields.deadline_ms);
  return request;
}

SamplingParameters sampling_of(const GenerationFields& fields, const GenerationDefaults& recommended,
                               std::optional<int64_t> logprobs) {
  static const GenerationDefaults kNone;
  const GenerationDefaults& defaults = beams_of(fields) ? kNone : recommended;
  const auto choose = [](const auto& asked, const auto& recommended, auto otherwise) {
    return asked ? *asked : recommended.value_or(otherwise);
  };
  SamplingParameters sampling;
  sampling.temperature = choose(fields.temperature, defaults.temperature, sampling.temperature);
  sampling.top_k = choose(fields.top_k, defaults.top_k, sampling.top_k);
  sampling.top_p = choose(fields.top_p, defaults.top_p, sampling.top_p);
  sampling.min_p = choose(fields.min_p, defaults.min_p, sampling.min_p);
  sampling.repetition_penalty =
      choose(fields.repetition_penalty, defaults.repetition_penalty, sampling.repetition_penalty);
  sampling.frequency_penalty = fields.frequency_penalty.value_or(sampling.frequency_penalty);
  sampling.presence_penalty = fields.presence_penalty.value_or(sampling.presence_penalty);
  sampling.typical_p = fields.typical_p.value_or(sampling.typical_p);
  sampling.top_n_sigma = std::max(0.0, fields.top_n_sigma.value_or(sampling.top_n_sigma));
  sampling.xtc_probability = fields.xtc_probability.value_or(sampling.xtc_probability);
  sampling.xtc_threshold = fields.xtc_threshold.value_or(sampling.xtc_threshold);
  sampling.dry.multiplier = fields.dry_multiplier.value_or(sampling.dry.multiplier);
  sampling.dry.base = fields.dry_base.value_or(sampling.dry.base);
  sampling.dry.allowed_length = fields.dry_allowed_length.value_or(sampling.dry.allowed_length);
  sampling.dry.range = fields.dry_range.value_or(sampling.dry.range);
  sampling.dry.breakers = fields.dry_breakers.value_or(sampling.dry.breakers);
  if (fields.uses_mirostat) {
    MirostatOptions& mirostat = sampling.mirostat.emplace();
    mirostat.target_bits = fields.mirostat_tau.value_or(mirostat.target_bits);
    mirostat.learning_rate = fields.mirostat_eta.value_or(mirostat.learning_rate);
  }
  sampling.logit_bias = fields.logit_bias;
  sampling.allowed_tokens = fields.allowed_tokens;
  sampling.banned_tokens = fields.banned_tokens;
  sampling.stop_tokens = fields.stop_tokens;
  sampling.min_tokens = fields.min_tokens;
  sampling.seed = fields.seed;
  sampling.stops = fields.stops;
  sampling.max_tokens = fields.max_tokens;
  if (logprobs) sampling.logprobs = static_cast<int>(*logprobs);
  sampling.ignores_end_tokens = fields.ignores_end_tokens;
  return sampling;
}

}  // namespace pelton::openai
