#include "text/harmony_parser.h"

#include <algorithm>
#include <array>
#include <utility>

namespace pelton {
namespace {

constexpr std::string_view kMessage = "<|message|>";
constexpr std::array<std::string_view, 7> kMarkers = {"<|channel|>", kMessage,     "<|end|>",      "<|start|>",
                                                      "<|call|>",    "<|return|>", "<|constrain|>"};
constexpr std::string_view kRecipient = "to=functions.";
constexpr size_t kHeaderBytesMax = 4096;

// Where the first marker, or what may become one, begins in `text`, and the marker where it's whole.
std::pair<size_t, std::string_view> find_marker(std::string_view text) {
  for (size_t begin = text.find("<"); begin != std::string_view::npos; begin = text.find("<", begin + 1)) {
    const std::string_view rest = text.substr(begin);
    for (const std::string_view marker : kMarkers) {
      if (rest.starts_with(marker)) return {begin, marker};
      if (marker.starts_with(rest)) return {begin, {}};
    }
  }
  return {text.size(), {}};
}

}  // namespace

void HarmonyParser::push(std::string_view text, AnswerDelta& delta) {
  held_ += text;
  while (true) {
    const auto [begin, marker] = find_marker(held_);
    take_text(std::string_view(held_).substr(0, begin), delta);
    held_.erase(0, begin + marker.size());
    if (marker.empty()) return;
    take_marker(marker, delta);
  }
}

void HarmonyParser::finish(AnswerDelta& delta) {
  take_text(std::exchange(held_, {}), delta);
  if (!has_begun_ && !header_.starts_with("<|")) delta.content += header_;  // the form was not kept
}

void HarmonyParser::take_marker(std::string_view marker, AnswerDelta& delta) {
  if (marker == kMessage) return begin_body(delta);
  if (part_ != Part::kHeader) header_.clear();
  part_ = Part::kHeader;
  header_ += marker;
}

void HarmonyParser::take_text(std::string_view text, AnswerDelta& delta) {
  if (text.empty()) return;
  switch (part_) {
    case Part::kHeader:
      header_ += text.substr(0, kHeaderBytesMax - std::min(kHeaderBytesMax, header_.size()));
      return;
    case Part::kReasoning:
      delta.reasoning += text;
      return;
    case Part::kContent:
      delta.content += text;
      return;
    case Part::kCall:
      if (delta.calls.empty()) delta.calls.push_back({call_count_ - 1, std::nullopt, ""});
      delta.calls.back().arguments += text;
      return;
    case Part::kIgnored:
      return;
  }
}

void HarmonyParser::begin_body(AnswerDelta& delta) {
  const std::string header = std::exchange(header_, {});
  has_begun_ = true;
  if (const size_t recipient = header.find(kRecipient); recipient != std::string::npos) {
    const size_t begin = recipient + kRecipient.size();
    const size_t end = std::min(header.find_first_of(" <\t\r\n", begin), header.size());
    delta.calls.push_back({call_count_++, header.substr(begin, end - begin), ""});
    part_ = Part::kCall;
  } else if (header.find("analysis") != std::string::npos) {
    part_ = Part::kReasoning;
  } else {
    part_ = header.find("to=") != std::string::npos ? Part::kIgnored : Part::kContent;
  }
}

}  // namespace pelton
