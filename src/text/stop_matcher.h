// Ends an answer at the first stop string, however it is cut into pieces, and lets no part of one through.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pelton {

class StopMatcher {
 public:
  explicit StopMatcher(std::vector<std::string> stops);

  struct Output {
    std::string text;                    // may be shown: cannot be the beginning of a stop string
    std::optional<std::string> stopped;  // the stop string that was found; what follows it is gone
  };
  Output push(std::string_view text);
  // What was held back, when the answer ends without a stop string.
  std::string finish();

 private:
  std::vector<std::string> stops_;
  std::string held_;  // shorter than the longest stop string
};

}  // namespace pelton
