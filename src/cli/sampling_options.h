// The options that say how an answer is chosen and where it ends; the same for every command that answers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/request.h"

namespace CLI {
class App;
}

namespace pelton::cli {

class SamplingOptions {
 public:
  // The object must stay where it is until the command line is parsed. `default_temperature` is for the help text.
  void add_to(CLI::App& app, const std::string& default_temperature);

  // `defaults` with what the command line says laid over it.
  // Error kUsage, naming the option: a value out of its domain.
  SamplingParameters parameters(SamplingParameters defaults) const;

 private:
  std::optional<double> temperature_;
  std::optional<int64_t> top_k_;
  std::optional<double> top_p_;
  std::optional<double> min_p_;
  std::optional<double> repetition_penalty_;
  std::optional<double> frequency_penalty_;
  std::optional<double> presence_penalty_;
  std::optional<uint64_t> seed_;
  std::vector<std::string> stops_;
  std::optional<int64_t> max_tokens_;
  std::optional<int> logprobs_;
  bool ignores_end_tokens_ = false;
};

}  // namespace pelton::cli
