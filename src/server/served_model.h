// A model that is loaded, and how the server presents it.
#pragma once

#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "server/metrics/metrics.h"
#include "text/tool_form.h"

namespace pelton {

// Immutable. Whoever answers by it holds it as long as that takes: it is unloaded when nobody does.
struct ServedModel {
  std::shared_ptr<Engine> engine;
  std::vector<std::string> names;  // at least one; any of them may stand in `model`, the first stands in answers
  std::shared_ptr<Metrics> metrics;
  std::string fingerprint;  // server/fingerprint.h
  size_t prompt_bytes_max = std::numeric_limits<size_t>::max();
  EmbeddingSettings embedding = {};
  std::optional<ToolForm> tool_form = {};  // absent: found by the model's template
  bool allow_special_in_messages = false;

  bool is_named(const std::string& name) const;
};

// Error kUnsupported, parameter `model`: an encoder, which generates no text.
void require_generation(const ServedModel& model);

// A text of more bytes has more tokens than the context, as far as each byte of it belongs to a token: the context's
// length × the longest token's bytes. Beyond it a prompt is refused before it costs the time of tokenising.
size_t prompt_bytes_max(const Engine& engine);

}  // namespace pelton
