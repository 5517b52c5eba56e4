#include "cli/beam_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string>

#include "base/error.h"

namespace pelton::cli {

void BeamSearchOptions::add_to(CLI::App& app) {
  constexpr int64_t kWidthMax = BeamOptions::kWidthMax;
  constexpr auto kPenaltyMax = static_cast<double>(BeamOptions::kLengthPenaltyMax);
  CLI::Option* beams =
      app.add_option("--beams", width_,
                     fmt::format("Look for the likeliest answer among so many beginnings at once, 1 to {}; it appears "
                                 "when all of it is there",
                                 kWidthMax))
          ->check(CLI::Range(int64_t{1}, kWidthMax));
  CLI::Option* penalty =
      app.add_option(
             "--length-penalty", length_penalty_,
             fmt::format("With --beams: over 0 favours long answers, {} to {}: log-probabilities are divided by "
                         "this power of the length (default: 1)",
                         -kPenaltyMax, kPenaltyMax))
          ->check(CLI::Range(-kPenaltyMax, kPenaltyMax));
  CLI::Option* stopping =
      app.add_option("--early-stopping", early_stopping_,
                     "With --beams: end when there are as many answers as beams (true), when a better one is unlikely "
                     "(false), or when there can be none (never) (default: false)")
          ->check(CLI::IsMember({"true", "false", "never"}));
  for (CLI::Option* option : {penalty, stopping}) option->needs(beams);
  for (CLI::Option* option : {beams, penalty, stopping}) option->group("Sampling");
}

void BeamSearchOptions::apply(GenerationRequest& request) const {
  if (!width_) return;
  request.beams = {.width = *width_, .length_penalty = length_penalty_};
  if (early_stopping_ == "true") request.beams->early_stopping = EarlyStopping::kWhenFull;
  if (early_stopping_ == "never") request.beams->early_stopping = EarlyStopping::kNever;
  try {
    validate_beams(request, 1);
  } catch (const Error& error) {
    throw Error(ErrorCode::kUsage, "--beams: " + error.message(), error.parameter());
  }
}

}  // namespace pelton::cli
