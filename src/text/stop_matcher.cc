#include "text/stop_matcher.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace pelton {

StopMatcher::Pattern::Pattern(std::string stop) : text(std::move(stop)), border(text.size() + 1, 0) {
  for (size_t size = 1, matching = 0; size < text.size(); ++size) {
    while (matching > 0 && text[size] != text[matching]) matching = border[matching];
    if (text[size] == text[matching]) ++matching;
    border[size + 1] = matching;
  }
}

bool StopMatcher::Stop::advance(char byte) {
  const std::string& text = pattern->text;
  while (matched > 0 && text[matched] != byte) matched = pattern->border[matched];
  if (text[matched] == byte) ++matched;
  return matched == text.size();
}

StopMatcher::StopMatcher(std::vector<std::string> stops) {
  for (std::string& stop : stops) {
    if (stop.empty()) throw Error(ErrorCode::kInvalidArgument, "stop: a stop string must not be empty", "stop");
    stops_.push_back({std::make_shared<const Pattern>(std::move(stop))});
  }
}

StopMatcher::Output StopMatcher::push(std::string_view text) {
  Output output;
  if (has_stopped_) return output;
  for (const char byte : text) {
    held_ += byte;
    const Pattern* found = nullptr;
    for (Stop& stop : stops_) {
      if (stop.advance(byte) && (found == nullptr || stop.pattern->text.size() > found->text.size())) {
        found = stop.pattern.get();
      }
    }
    if (found == nullptr) continue;
    held_.resize(held_.size() - found->text.size());
    has_stopped_ = true;
    output.stopped = found->text;
    output.text = std::exchange(held_, {});
    return output;
  }
  size_t kept = 0;
  for (const Stop& stop : stops_) kept = std::max(kept, stop.matched);
  output.text = held_.substr(0, held_.size() - kept);
  held_.erase(0, held_.size() - kept);
  return output;
}

std::string StopMatcher::finish() { return std::exchange(held_, {}); }

}  // namespace pelton
