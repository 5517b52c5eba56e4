#include "cli/sampling_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "cli/command.h"

namespace pelton::cli {
namespace {

template <typename Target, typename Value>
void assign_if_given(Target& target, const std::optional<Value>& given) {
  if (given) target = *given;
}

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

// "top_p" → "--top-p"
std::string option_name(std::string parameter) {
  std::replace(parameter.begin(), parameter.end(), '_', '-');
  return "--" + parameter;
}

}  // namespace

void SamplingOptions::add_to(CLI::App& app, const std::string& default_temperature) {
  const auto option = [&app](const char* name, auto& value, const std::string& description) {
    return app.add_option(name, value, description)->group("Sampling");
  };
  option("--temperature", temperature_,
         fmt::format("0 always takes the most likely token; higher is more varied (default: {})", default_temperature));
  option("--top-k", top_k_, "Choose among the K most likely tokens; 0 or -1: all");
  option("--top-p", top_p_, "Choose among the likeliest tokens that together have this probability; 1: all");
  option("--min-p", min_p_, "Leave out tokens less likely than this share of the likeliest one; 0: none");
  option("--repetition-penalty", repetition_penalty_, "Over 1 makes tokens of prompt and answer less likely");
  option("--frequency-penalty", frequency_penalty_, "-2 to 2: taken off for each time a token stands in the answer");
  option("--presence-penalty", presence_penalty_, "-2 to 2: taken off once where a token stands in the answer");
  option("--seed", seed_, "The same seed, prompt and options give the same answer")
      ->transform(CLI::Validator(make_unsigned, "INTEGER"));
  // Without extra arguments, so that `--stop END "prompt"` takes one string and "[a,b]" stays a string.
  option("--stop", stops_,
         fmt::format("End the answer before this text of at most {} bytes (may be given {} times)",
                     SamplingParameters::kStopBytesMax, SamplingParameters::kStopCountMax))
      ->type_size(1)
      ->allow_extra_args(false);
  option("--max-tokens", max_tokens_, "Tokens of the answer at most (default: up to the end of the context)");
  option("--logprobs", logprobs_,
         "With --json: log-probability of each token and its N likeliest alternatives, 0 to 20");
  app.add_flag("--ignore-eos", ignores_end_tokens_, "Go on after the model's end token")->group("Sampling");
}

SamplingParameters SamplingOptions::parameters(SamplingParameters sampling) const {
  assign_if_given(sampling.temperature, temperature_);
  assign_if_given(sampling.top_k, top_k_);
  assign_if_given(sampling.top_p, top_p_);
  assign_if_given(sampling.min_p, min_p_);
  assign_if_given(sampling.repetition_penalty, repetition_penalty_);
  assign_if_given(sampling.frequency_penalty, frequency_penalty_);
  assign_if_given(sampling.presence_penalty, presence_penalty_);
  assign_if_given(sampling.seed, seed_);
  if (!stops_.empty()) sampling.stops = stops_;
  assign_if_given(sampling.max_tokens, max_tokens_);
  assign_if_given(sampling.logprobs, logprobs_);
  sampling.ignores_end_tokens |= ignores_end_tokens_;
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
