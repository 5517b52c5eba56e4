// A text in which some spans say something else.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pelton::data {

// `spans`: with bytes `begin` and `end`, in order, none of which overlaps another. `replacement_of(span)` is what
// stands there instead.
template <typename Spans, typename ReplacementOf>
std::string replace_spans(std::string_view text, const Spans& spans, ReplacementOf&& replacement_of) {
  std::string replaced;
  size_t position = 0;
  for (const auto& span : spans) {
    replaced += text.substr(position, span.begin - position);
    replaced += replacement_of(span);
    position = span.end;
  }
  replaced += text.substr(position);
  return replaced;
}

}  // namespace pelton::data
