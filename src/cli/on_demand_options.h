// Models beside the first that `pelton serve` loads when requests name them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "server/server.h"

namespace CLI {
class App;
}

namespace pelton::cli {

class OnDemandOptions {
 public:
  // The object must stay where it is until the command line is parsed.
  void add_to(CLI::App& app);

  // When the first model is there: opens the others once and says what takes how much. `first`: options of the first
  // model's engine, which hold for the others as far as they can. Errors: those of load_bundle(); kUnsupported (no
  // tokenizer); kInvalidArgument (a name; a model does not fit into the memory given).
  void apply(const EngineOptions& first, ServerOptions& options) const;

 private:
  std::vector<std::string> models_;  // [NAME=]MODEL
  std::optional<std::string> memory_;
  double idle_seconds_ = seconds(ServerOptions{}.others_idle_max.value());
};

}  // namespace pelton::cli
