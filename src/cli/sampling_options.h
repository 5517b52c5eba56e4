// The options that say how an answer is chosen and where it ends; the same for every command that answers.
#pragma once

#include <functional>
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
  // What the command line says, in its order.
  std::vector<std::function<void(SamplingParameters&)>> given_;
};

}  // namespace pelton::cli
