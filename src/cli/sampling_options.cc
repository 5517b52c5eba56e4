#include "cli/sampling_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/command.h"

namespace pelton::cli {
namespace {

template <typename Integer>
std::optional<Integer> whole_number(const std::string& text) {
  Integer number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// A negative seed stands for its two's complement, as the server takes it. CLI11 alone would refuse it, or take what is
// too large as the largest. In the form that CLI11 asks for: changes `text`; gives what is wrong with it, or nothing.
std::string make_unsigned(std::string& text) {
  if (whole_number<uint64_t>(text)) return {};
  if (const std::optional<int64_t> negative = whole_number<int64_t>(text)) {
    text = fmt::format("{}", static_cast<uint64_t>(*negative));
    return {};
  }
  return fmt::format("must be a whole number from {} to {}, got \"{}\"", INT64_MIN, UINT64_MAX, text);
}

MirostatOptions& mirostat(SamplingParameters& sampling) {
  if (!sampling.mirostat) sampling.mirostat.emplace();
  return *sampling.mirostat;
}

std::vector<TokenId> tokens_of(const std::vector<int32_t>& ids) {
  std::vector<TokenId> tokens;
  for (const int32_t id : ids) tokens.push_back(TokenId{id});
  return tokens;
}

// "17:-2.5"
LogitBias logit_bias_of(const std::string& text) {
  const size_t colon = text.find(':');
  const std::optional<int32_t> id = whole_number<int32_t>(text.substr(0, colon));
  double value = 0;
  const char* begin = text.data() + (colon == std::string::npos ? text.size() : colon + 1);
  const char* end = text.data() + text.size();
  const auto [parsed_to, error] = std::from_chars(begin, end, value);
  if (!id || begin == end || error != std::errc() || parsed_to != end) {
    throw Error(ErrorCode::kUsage, fmt::format("--logit-bias: must be ID:VALUE as in 17:-2.5, got \"{}\"", text),
                "logit_bias");
  }
  return {TokenId{*id}, value};
}

// "top_p" → "--top-p"
std::string option_name(std::string parameter) {
  std::replace(parameter.begin(), parameter.end(), '_', '-');
  return "--" + parameter;
}

}  // namespace

void SamplingOptions::add_to(CLI::App& app, const std::string& default_temperature) {
  // `apply(sampling, value)` is done later, in the order of the command line.
  const auto value_option = [&]<typename Value>(const char* name, const std::string& description, Value,
                                                void (*apply)(SamplingParameters&, const Value&)) {
    const std::function<void(const Value&)> take = [this, apply](const Value& value) {
      given_.push_back([apply, value](SamplingParameters& sampling) { apply(sampling, value); });
    };
    return app.add_option_function<Value>(name, take, description)->group("Sampling");
  };
  const auto number = [&](const char* name, void (*apply)(SamplingParameters&, const double&),
                          const std::string& description) { return value_option(name, description, 0.0, apply); };
  const auto integer = [&](const char* name, void (*apply)(SamplingParameters&, const int64_t&),
                           const std::string& description) {
    return value_option(name, description, int64_t{}, apply);
  };
  using Parameters = SamplingParameters;
  using Texts = std::vector<std::string>;

  number(
      "--temperature", [](Parameters& s, const double& v) { s.temperature = v; },
      fmt::format("0 always takes the most likely token; higher is more varied (default: {})", default_temperature));
  integer(
      "--top-k", [](Parameters& s, const int64_t& v) { s.top_k = v; },
      "Choose among the K most likely tokens; 0 or -1: all");
  number(
      "--top-p", [](Parameters& s, const double& v) { s.top_p = v; },
      "Choose among the likeliest tokens that together have this probability; 1: all");
  number(
      "--min-p", [](Parameters& s, const double& v) { s.min_p = v; },
      "Leave out tokens less likely than this share of the likeliest one; 0: none");
  number(
      "--typical-p", [](Parameters& s, const double& v) { s.typical_p = v; },
      "Choose among the tokens of the most expected surprise that together have this probability; 1: all");
  number(
      "--top-n-sigma", [](Parameters& s, const double& v) { s.top_n_sigma = v; },
      "Leave out logits more than N standard deviations below the highest; 0: none");
  number(
      "--xtc-probability", [](Parameters& s, const double& v) { s.xtc_probability = v; },
      "How often all likely choices but the least likely one are left out; 0: never");
  number(
      "--xtc-threshold", [](Parameters& s, const double& v) { s.xtc_threshold = v; },
      "The probability from which a token is a likely choice (default: 0.1)");
  number(
      "--mirostat-tau", [](Parameters& s, const double& v) { mirostat(s).target_bits = v; },
      "Mirostat 2 in place of top-k, top-p, typical-p and min-p: keep the surprise near this, in bits");
  number(
      "--mirostat-eta", [](Parameters& s, const double& v) { mirostat(s).learning_rate = v; },
      "How fast mirostat corrects itself (default: 0.1)");
  number(
      "--repetition-penalty", [](Parameters& s, const double& v) { s.repetition_penalty = v; },
      "Over 1 makes tokens of prompt and answer less likely");
  number(
      "--frequency-penalty", [](Parameters& s, const double& v) { s.frequency_penalty = v; },
      "-2 to 2: taken off for each time a token stands in the answer");
  number(
      "--presence-penalty", [](Parameters& s, const double& v) { s.presence_penalty = v; },
      "-2 to 2: taken off once where a token stands in the answer");
  number(
      "--dry-multiplier", [](Parameters& s, const double& v) { s.dry.multiplier = v; },
      "Over 0 makes tokens less likely that would carry on a repetition (DRY), the more the longer it is");
  number(
      "--dry-base", [](Parameters& s, const double& v) { s.dry.base = v; },
      "How fast that grows with each token (default: 1.75)");
  integer(
      "--dry-allowed-length", [](Parameters& s, const int64_t& v) { s.dry.allowed_length = v; },
      "Tokens that may be repeated at no cost (default: 2)");
  integer(
      "--dry-penalty-last-n", [](Parameters& s, const int64_t& v) { s.dry.range = v; },
      "Look for repetitions in so many of the last tokens; -1: all (default: -1)");
  value_option(
      "--dry-sequence-breakers",
      R"(Repetitions end where a token holds this text (may be given again; default: newline, ":", "\"", "*"))",
      Texts(), +[](Parameters& s, const Texts& v) { s.dry.breakers = v; })
      ->type_size(1)
      ->allow_extra_args(false);
  value_option(
      "--logit-bias", "ID:VALUE: add this to the logit of a token, -100 to 100 (may be given again)", Texts(),
      +[](Parameters& s, const Texts& v) {
        for (const std::string& text : v) s.logit_bias.push_back(logit_bias_of(text));
      })
      ->type_size(1)
      ->allow_extra_args(false);
  const auto ids = [&](const char* name, const char* description,
                       void (*apply)(Parameters&, const std::vector<int32_t>&)) {
    value_option(name, description, std::vector<int32_t>(), apply)->delimiter(',')->allow_extra_args(false);
  };
  ids("--allowed-token-ids", "Choose among these tokens only, as in 5,17",
      [](Parameters& s, const std::vector<int32_t>& v) { s.allowed_tokens = tokens_of(v); });
  ids("--banned-token-ids", "Never choose these tokens",
      [](Parameters& s, const std::vector<int32_t>& v) { s.banned_tokens = tokens_of(v); });
  value_option(
      "--seed", "The same seed, prompt and options give the same answer", uint64_t{},
      +[](Parameters& s, const uint64_t& v) { s.seed = v; })
      ->transform(CLI::Validator(make_unsigned, "INTEGER"));
  // Without extra arguments, so that `--stop END "prompt"` takes one string and "[a,b]" stays a string.
  value_option(
      "--stop",
      fmt::format("End the answer before this text of at most {} bytes (may be given {} times)",
                  Parameters::kStopBytesMax, Parameters::kStopCountMax),
      Texts(), +[](Parameters& s, const Texts& v) { s.stops = v; })
      ->type_size(1)
      ->allow_extra_args(false);
  ids("--stop-token-ids", "End the answer at any of these tokens, as in 2,7",
      [](Parameters& s, const std::vector<int32_t>& v) { s.stop_tokens = tokens_of(v); });
  integer(
      "--min-tokens", [](Parameters& s, const int64_t& v) { s.min_tokens = v; },
      "Tokens before the answer may end, by itself or at a stop (default: 0)");
  integer(
      "--max-tokens", [](Parameters& s, const int64_t& v) { s.max_tokens = v; },
      "Tokens of the answer at most (default: up to the end of the context)");
  value_option(
      "--logprobs", "With --json: log-probability of each token and its N likeliest alternatives, 0 to 20", int{},
      +[](Parameters& s, const int& v) { s.logprobs = v; });
  const std::function<void()> ignore_end_tokens = [this] {
    given_.push_back([](Parameters& s) { s.ignores_end_tokens = true; });
  };
  app.add_flag_callback("--ignore-eos", ignore_end_tokens, "Go on after the model's end token")->group("Sampling");
}

SamplingParameters SamplingOptions::parameters(SamplingParameters sampling) const {
  for (const auto& apply : given_) apply(sampling);
  try {
    validate(sampling);
  } catch (const Error& error) {
    // The engine's sentence begins with its own name of the parameter.
    std::string problem = error.message();
    if (problem.starts_with(error.parameter() + " ")) problem.erase(0, error.parameter().size() + 1);
    throw Error(ErrorCode::kUsage, fmt::format("{}: {}", option_name(error.parameter()), problem), error.parameter());
  }
  return sampling;
}

}  // namespace pelton::cli
