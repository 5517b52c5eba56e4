#include "server/openai/generation_fields.h"

#include <fmt/format.h>

#include <limits>

namespace pelton::openai {
namespace {

using Request = GenerationFields;

using Limits = SamplingParameters;
constexpr int64_t kCountMax = std::numeric_limits<int64_t>::max();

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

void read_stop(const JsonReader& reader, std::string_view name, Request& request) {
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

constexpr Neutral kPlainTier{"\"auto\" or \"default\"",
                             [](const json::value& value) { return value == "auto" || value == "default"; }};

constexpr Field<Request> kFields[] = {
    string<&Request::model>("model"),
    number<&Request::temperature>("temperature", 0, Limits::kTemperatureMax),
    number<&Request::top_p>("top_p", 0, 1),
    integer<&Request::top_k>("top_k", Limits::kTopKOff, kCountMax),
    number<&Request::min_p>("min_p", 0, 1),
    number<&Request::repetition_penalty>("repetition_penalty", 0, 100),
    number<&Request::frequency_penalty>("frequency_penalty", -Limits::kPenaltyMax, Limits::kPenaltyMax),
    number<&Request::presence_penalty>("presence_penalty", -Limits::kPenaltyMax, Limits::kPenaltyMax),
    other<Request, read_seed>("seed"),
    other<Request, read_max_tokens>("max_tokens"),
    other<Request, read_stop>("stop"),
    boolean<&Request::ignores_end_tokens>("ignore_eos"),
    boolean<&Request::streams>("stream"),
    other<Request, read_stream_options>("stream_options"),
    ignored<Request>("user"),
    ignored<Request>("safety_identifier"),
    ignored<Request>("metadata"),  // labels of stored answers; see `store`
    ignored<Request>("prompt_cache_key"),
    ignored<Request>("prompt_cache_retention"),
    neutral_only<Request, kOne>("n"),
    neutral_only<Request, kEmptyObject>("logit_bias"),
    neutral_only<Request, kFalse>("store"),  // true promises that the answer can be fetched later
    neutral_only<Request, kPlainTier>("service_tier"),
};

}  // namespace

std::span<const Field<GenerationFields>> generation_fields() { return kFields; }

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
}

SamplingParameters sampling_of(const GenerationFields& fields, const GenerationDefaults& defaults,
                               std::optional<int64_t> logprobs) {
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
  sampling.seed = fields.seed;
  sampling.stops = fields.stops;
  sampling.max_tokens = fields.max_tokens;
  if (logprobs) sampling.logprobs = static_cast<int>(*logprobs);
  sampling.ignores_end_tokens = fields.ignores_end_tokens;
  return sampling;
}

}  // namespace pelton::openai
