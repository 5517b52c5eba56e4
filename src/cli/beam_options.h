// The options that ask for a beam search.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/request.h"

namespace CLI {
class App;
}

namespace pelton::cli {

class BeamSearchOptions {
 public:
  // The object must stay where it is until the command line is parsed.
  void add_to(CLI::App& app);

  // Makes the request a beam search where the command line asks for one. Error kUsage: it says what does not go with
  // it.
  void apply(GenerationRequest& request) const;

 private:
  std::optional<int64_t> width_;
  double length_penalty_ = BeamOptions{}.length_penalty;
  std::string early_stopping_ = "false";
};

}  // namespace pelton::cli
