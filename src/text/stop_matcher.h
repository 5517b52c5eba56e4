// Ends an answer at the first stop string, however it is cut into pieces, and lets no part of one through.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pelton {

// Of several stop strings, the one that is complete first wins; of those complete at the same byte, the longest. So the
// result never depends on what comes later, nor on where the pieces are cut. One matcher belongs to one answer. A copy,
// which shares the stop strings, goes on from the same place.
class StopMatcher {
 public:
  // Error kInvalidArgument (`stop`): a stop string is empty.
  explicit StopMatcher(std::vector<std::string> stops);

  struct Output {
    std::string text;                    // may be shown: cannot be the beginning of a stop string
    std::optional<std::string> stopped;  // the stop string that was found; what follows it is gone
  };
  // After a stop string was found, all text is dropped.
  Output push(std::string_view text);
  // What was held back, when the answer ends without a stop string.
  std::string finish();

 private:
  // Knuth, Morris, Pratt: `border[n]` is the longest proper prefix of the first n bytes that also ends them.
  struct Pattern {
    explicit Pattern(std::string stop);

    std::string text;
    std::vector<size_t> border;
  };
  // `matched` bytes of the pattern are the end of what was pushed.
  struct Stop {
    bool advance(char byte);  // true: complete

    std::shared_ptr<const Pattern> pattern;
    size_t matched = 0;
  };

  std::vector<Stop> stops_;
  std::string held_;  // shorter than the longest stop string
  bool has_stopped_ = false;
};

}  // namespace pelton
