#include "model/config.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "model/config_bounds.h"

namespace pelton {
namespace {

// What the attention's kernels have room for (kernels/attention/attention.h).
constexpr int64_t kHeadWidthMax = 1024;

}  // namespace

// Each expert is a layer call's three weights, so that a count beyond all models would be a list without bounds.
void check_experts(const ModelSpec& spec, std::string_view source) {
  constexpr int64_t kExpertCountMax = 1024;
  const RoutingShape& routing = spec.routing;
  if (routing.expert_count > kExpertCountMax || routing.active_count > routing.expert_count) {
    throw Error(ErrorCode::kCorruptFile,
                fmt::format("{}: {} of {} experts for each token; expected 1 to all of at most {}", source,
                            routing.active_count, routing.expert_count, kExpertCountMax));
  }
  const int64_t size = routing.expert_count / routing.group_count;
  if (routing.group_count <= kExpertGroupCountMax && routing.expert_count % routing.group_count == 0 &&
      routing.active_group_count <= routing.group_count && routing.active_count <= routing.active_group_count * size &&
      (size >= 2 || !routing.has_groups() || !routing.has_sigmoids())) {
    return;
  }
  throw Error(ErrorCode::kCorruptFile,
              fmt::format("{}: {} of {} experts cannot be in {} of {} groups", source, routing.active_count,
                          routing.expert_count, routing.active_group_count, routing.group_count));
}

std::string scaling_name(const RopeScaling& scaling) { return scaling.type == "default" ? "none" : scaling.type; }

void check_rotated_width(int64_t rotated_width, int64_t head_width) {
  if (rotated_width >= 2 && rotated_width % 2 == 0 && rotated_width <= head_width) return;
  throw Error(ErrorCode::kCorruptFile,
              fmt::format("{} dimensions of a head width of {} cannot be rotated in pairs", rotated_width, head_width));
}

void check_spec(const ModelSpec& spec, std::string_view source) {
  const auto fail = [&](std::string_view what) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("{}: {}", source, what));
  };
  if (spec.query_head_count % spec.key_value_head_count != 0) {
    fail(fmt::format("{} query heads cannot share {} key/value heads", spec.query_head_count,
                     spec.key_value_head_count));
  }
  if (spec.head_width < 1 || spec.head_width > kHeadWidthMax) {
    fail(fmt::format("a head width of {}; expected 1 to {}", spec.head_width, kHeadWidthMax));
  }
  for (const int64_t width : spec.head_widths) {
    if (width < 1 || width > kHeadWidthMax) {
      fail(fmt::format("a head width of {}; expected 1 to {}", width, kHeadWidthMax));
    }
  }
  for (const int64_t count : spec.key_value_head_counts) {
    if (count < 1 || spec.query_head_count % count != 0) {
      fail(fmt::format("{} query heads cannot share {} key/value heads", spec.query_head_count, count));
    }
  }
  for (int64_t layer = 0; layer < static_cast<int64_t>(spec.key_value_sources.size()); ++layer) {
    const int64_t read = spec.key_value_sources[static_cast<size_t>(layer)];
    const bool fits = read == layer || (read >= 0 && read < layer && spec.key_value_source_of(read) == read &&
                                        spec.head_width_of(read) == spec.head_width_of(layer) &&
                                        spec.key_value_head_count_of(read) == spec.key_value_head_count_of(layer));
    if (!fits) fail(fmt::format("layer {} cannot read the keys and values of layer {}", layer, read));
  }
  if (spec.layer_count > 4096) fail(fmt::format("{} layers", spec.layer_count));
  if (spec.query_head_count * spec.head_width > kSizeMax) {
    fail(fmt::format("{} heads of width {}", spec.query_head_count, spec.head_width));
  }
}

std::vector<bool> list_layers(const ModelSpec& spec, const LayerRule& rule) {
  std::vector<bool> layers;
  for (int64_t layer = 0; layer < spec.layer_count; ++layer) layers.push_back(rule(layer));
  return layers;
}

AttentionShape attention_shape(const ModelSpec& spec, int64_t layer) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(spec.head_width_of(layer)));
  return {.query_head_count = spec.query_head_count,
          .key_value_head_count = spec.key_value_head_count_of(layer),
          .head_width = spec.head_width_of(layer),
          .scale = spec.attention_scale.value_or(static_cast<float>(scale)),
          .window = spec.is_local(layer) ? spec.window : std::nullopt,
          .score_cap = spec.attention_cap,
          .is_causal = !spec.is_encoder};
}

}  // namespace pelton
