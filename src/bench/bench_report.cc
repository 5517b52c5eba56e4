#include "bench/bench_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "report/text_table.h"

namespace pelton {
namespace {

std::string_view phase_name(const PhaseResult& result) { return result.is_decode ? "decode" : "prefill"; }

json::object spread_to_json(const Spread& spread, double scale = 1) {
  return {{"median", spread.median * scale}, {"min", spread.min * scale}, {"max", spread.max * scale}};
}

std::string percent(double share) { return fmt::format("{:.0f} %", 100 * share); }

// "4 KiB", "64 MiB"
std::string size_text(int64_t bytes) {
  return bytes < (1 << 20) ? fmt::format("{} KiB", bytes >> 10) : fmt::format("{} MiB", bytes >> 20);
}

// Columns of thread counts: 1, 2, 4, …
template <typename Items>
std::set<int> thread_counts_of(const Items& items) {
  std::set<int> counts;
  for (const auto& item : items) counts.insert(item.thread_count);
  return counts;
}

TextTable table_by_threads(std::string title, const std::set<int>& thread_counts) {
  std::vector<TextColumn> columns = {{std::move(title), Align::kLeft}};
  for (const int count : thread_counts) columns.push_back({fmt::format("{} thread{}", count, count == 1 ? "" : "s")});
  return TextTable(std::move(columns));
}

std::string bandwidth_to_text(const Hardware& hardware) {
  const std::set<int> thread_counts = thread_counts_of(hardware.bandwidth);
  TextTable table = table_by_threads("read, GB/s (a thread's part)", thread_counts);
  std::set<int64_t> sizes;
  for (const BandwidthPoint& point : hardware.bandwidth) sizes.insert(point.bytes_per_thread);
  for (const int64_t size : sizes) {
    std::vector<std::string> cells = {size_text(size)};
    for (const int count : thread_counts) {
      const auto found = std::find_if(hardware.bandwidth.begin(), hardware.bandwidth.end(), [&](const auto& point) {
        return point.thread_count == count && point.bytes_per_thread == size;
      });
      cells.push_back(found == hardware.bandwidth.end() ? "" : fmt::format("{:.1f}", found->gb_per_second));
    }
    table.add_row(std::move(cells));
  }
  return table.to_string();
}

// Rate and what the threads bring: "478 (1.98 ×)".
std::string peaks_to_text(const Hardware& hardware) {
  const std::set<int> thread_counts = thread_counts_of(hardware.peaks);
  TextTable table = table_by_threads("multiply, GOP/s", thread_counts);
  for (size_t i = 0; i < hardware.peaks.size();) {
    const std::string& type = hardware.peaks[i].type;
    const double alone = hardware.peaks[i].gop_per_second;
    std::vector<std::string> cells = {type};
    for (; i < hardware.peaks.size() && hardware.peaks[i].type == type; ++i) {
      const PeakRate& peak = hardware.peaks[i];
      cells.push_back(peak.thread_count == 1 || alone <= 0
                          ? fmt::format("{:.0f}", peak.gop_per_second)
                          : fmt::format("{:.0f} ({:.2f} ×)", peak.gop_per_second, peak.gop_per_second / alone));
    }
    cells.resize(1 + thread_counts.size());
    table.add_row(std::move(cells));
  }
  return table.to_string();
}

json::object quality_to_json(const ModelQuality& quality) {
  return {{"perplexity", quality.perplexity},
          {"stderr", quality.standard_error},
          {"mean_kl", quality.mean_kl},
          {"top1_agreement", quality.top1_agreement},
          {"tokens", quality.scored_token_count}};
}

std::string quality_to_text(const ModelQuality& quality) {
  return fmt::format(
      "quality, of {} tokens: perplexity {:.4f} ± {:.4f}; KL divergence from float32 on the same weights {:.6f}, the "
      "same top token in {:.2f} %\n",
      quality.scored_token_count, quality.perplexity, quality.standard_error, quality.mean_kl,
      100 * quality.top1_agreement);
}

}  // namespace

json::object to_json(std::span<const PhaseResult> results, const std::optional<ModelQuality>& quality) {
  const json::value quality_json = quality ? json::value(quality_to_json(*quality)) : nullptr;
  json::array array;
  for (const PhaseResult& result : results) {
    json::object object = {{"model", result.model},
                           {"threads", result.thread_count},
                           {"batch", result.batch},
                           {"phase", phase_name(result)},
                           {"tokens", result.token_count},
                           {"tokens_per_second", spread_to_json(result.tokens_per_second)},
                           {"bytes_per_token", result.bytes_per_token},
                           {"operations_per_token", result.operations_per_token},
                           {"achieved_gb_per_second", result.achieved_gb_per_second()},
                           {"achieved_gop_per_second", result.achieved_gop_per_second()},
                           {"limit_gb_per_second", result.limits.bytes_per_second * 1e-9},
                           {"limit_gop_per_second", result.limits.operations_per_second * 1e-9},
                           {"limit_share", result.limit_share},
                           {"bandwidth_share", result.bandwidth_share},
                           {"bound", bound_name(result.bound)},
                           {"verdict", result.verdict},
                           {"joules_per_token", nullptr},
                           {"quality", quality_json}};
    if (result.joules_per_token) object["joules_per_token"] = *result.joules_per_token;
    array.push_back(std::move(object));
  }
  return {{"results", std::move(array)}};
}

std::string to_text(std::span<const PhaseResult> results, const std::optional<ModelQuality>& quality) {
  std::vector<TextColumn> columns = {{"phase", Align::kLeft},
                                     {"threads"},
                                     {"batch"},
                                     {"tokens"},
                                     {"tok/s"},
                                     {"min"},
                                     {"max"},
                                     {"MB/token"},
                                     {"Mop/token"},
                                     {"GB/s"},
                                     {"GOP/s"},
                                     {"of bandwidth"},
                                     {"of limit"},
                                     {"J/token"}};
  if (quality) columns.insert(columns.end(), {{"perplexity"}, {"KL"}});
  TextTable table(std::move(columns));
  std::string verdicts;
  for (const PhaseResult& result : results) {
    std::vector<std::string> cells = {
        std::string(phase_name(result)),
        fmt::format("{}", result.thread_count),
        fmt::format("{}", result.batch),
        fmt::format("{}", result.token_count),
        fmt::format("{:.1f}", result.tokens_per_second.median),
        fmt::format("{:.1f}", result.tokens_per_second.min),
        fmt::format("{:.1f}", result.tokens_per_second.max),
        fmt::format("{:.2f}", result.bytes_per_token * 1e-6),
        fmt::format("{:.1f}", result.operations_per_token * 1e-6),
        fmt::format("{:.1f}", result.achieved_gb_per_second()),
        fmt::format("{:.0f}", result.achieved_gop_per_second()),
        percent(result.bandwidth_share),
        percent(result.limit_share),
        result.joules_per_token ? fmt::format("{:.3f}", *result.joules_per_token) : "unknown"};
    if (quality) {
      cells.push_back(fmt::format("{:.3f}", quality->perplexity));
      cells.push_back(fmt::format("{:.5f}", quality->mean_kl));
    }
    table.add_row(std::move(cells));
    verdicts += fmt::format("{}, batch {}, {} thread{}: {}\n", phase_name(result), result.batch, result.thread_count,
                            result.thread_count == 1 ? "" : "s", result.verdict);
  }
  return table.to_string() + "\n" + verdicts + (quality ? quality_to_text(*quality) : "");
}

json::object to_json(const KernelBenchResult& result) {
  constexpr double kMicro = 1e6;
  json::array kernels;
  for (const KernelResult& kernel : result.kernels) {
    kernels.push_back({{"call", kernel.call},
                       {"kernel", kernel.kernel},
                       {"calls", kernel.call_count},
                       {"microseconds", spread_to_json(kernel.seconds, kMicro)},
                       {"share", kernel.share},
                       {"gb_per_second", kernel.gb_per_second},
                       {"gop_per_second", kernel.gop_per_second},
                       {"bound", kernel.bound},
                       {"limit_microseconds", kernel.limit_seconds * kMicro},
                       {"limit_share", kernel.limit_share()}});
  }
  return {{"step_microseconds", spread_to_json(result.step_seconds, kMicro)},
          {"between_calls_share", result.between_calls_share},
          {"kernels", std::move(kernels)}};
}

std::string to_text(const KernelBenchResult& result) {
  constexpr double kMicro = 1e6;
  TextTable table({{"call", Align::kLeft},
                   {"kernel", Align::kLeft},
                   {"calls"},
                   {"µs/step"},
                   {"share"},
                   {"GB/s"},
                   {"GOP/s"},
                   {"limit µs"},
                   {"of limit"},
                   {"bound by", Align::kLeft}});
  for (const KernelResult& kernel : result.kernels) {
    table.add_row({kernel.call, kernel.kernel, fmt::format("{}", kernel.call_count),
                   fmt::format("{:.1f}", kernel.seconds.median * kMicro), fmt::format("{:.1f} %", 100 * kernel.share),
                   fmt::format("{:.1f}", kernel.gb_per_second), fmt::format("{:.1f}", kernel.gop_per_second),
                   fmt::format("{:.1f}", kernel.limit_seconds * kMicro), percent(kernel.limit_share()),
                   std::string(kernel.bound)});
  }
  return table.to_string() + fmt::format("\nA step takes {:.2f} ms ({:.2f} to {:.2f}), {:.1f} % of it between calls.\n",
                                         result.step_seconds.median * 1e3, result.step_seconds.min * 1e3,
                                         result.step_seconds.max * 1e3, 100 * result.between_calls_share);
}

json::object to_json(std::span<const LinearBenchResult> results) {
  json::array array;
  for (const LinearBenchResult& result : results) {
    json::array paths;
    for (const LinearPathRate& rate : result.rates) {
      paths.push_back({{"path", linear_path_name(rate.path)},
                       {"activations", rate.activations},
                       {"gop_per_second", spread_to_json(rate.gop_per_second)}});
    }
    array.push_back({{"matrix", result.matrix},
                     {"matrices", result.matrix_count},
                     {"rows", result.row_count},
                     {"paths", std::move(paths)}});
  }
  return {{"results", std::move(array)}};
}

std::string to_text(std::span<const LinearBenchResult> results) {
  constexpr LinearPath kPaths[] = {LinearPath::kTiles, LinearPath::kDots, LinearPath::kGemm};
  std::vector<TextColumn> columns = {{"matrix", Align::kLeft}, {"rows"}};
  for (const LinearPath path : kPaths) columns.push_back({std::string(linear_path_name(path))});
  TextTable table(std::move(columns));
  for (const LinearBenchResult& result : results) {
    std::vector<std::string> cells = {result.matrix, fmt::format("{}", result.row_count)};
    for (const LinearPath path : kPaths) {
      const auto found = std::ranges::find(result.rates, path, &LinearPathRate::path);
      cells.push_back(found == result.rates.end()
                          ? ""
                          : fmt::format("{:.0f} {}", found->gop_per_second.median, found->activations));
    }
    table.add_row(std::move(cells));
  }
  return table.to_string() +
         "\nGOP/s, medians; weights come from memory, one layer's after the other's. Int8 activations take tiles, f32 "
         "ones dots.\n";
}

std::string to_text(const Hardware& hardware) {
  TextTable levels({{"memory", Align::kLeft}, {"size"}, {"read, GB/s, all cores"}});
  for (const MemoryLevel& level : hardware.levels) {
    levels.add_row({level.name, level.size_bytes > 0 ? size_text(level.size_bytes) : "",
                    fmt::format("{:.1f}", level.gb_per_second)});
  }
  return fmt::format("{}, {} core{}, {}\n\n{}\n{}\n{}", hardware.identity.cpu, hardware.identity.core_count,
                     hardware.identity.core_count == 1 ? "" : "s", hardware.identity.isa, levels.to_string(),
                     bandwidth_to_text(hardware), peaks_to_text(hardware));
}

RooflinePlot roofline_plot(const Hardware& hardware, std::span<const PhaseResult> results) {
  RooflinePlot plot;
  plot.title =
      fmt::format("{}, {} cores, {}", hardware.identity.cpu, hardware.identity.core_count, hardware.identity.isa);
  if (!results.empty()) plot.title = fmt::format("{} on {}", results.front().model, plot.title);
  for (const MemoryLevel& level : hardware.levels) plot.roofs.push_back({level.name, level.gb_per_second});
  std::set<std::string_view> types;
  for (const PeakRate& peak : hardware.peaks) {
    if (types.insert(peak.type).second) plot.ceilings.push_back({peak.type, hardware.gop_per_second(peak.type)});
  }
  std::set<int> thread_counts = thread_counts_of(results);
  for (const PhaseResult& result : results) {
    std::string label(phase_name(result));
    if (result.is_decode) label += fmt::format(" × {}", result.batch);
    if (thread_counts.size() > 1) label += fmt::format(", {} thr.", result.thread_count);
    label += fmt::format(": {:.0f} tok/s", result.tokens_per_second.median);
    plot.points.push_back(
        {label, result.operations_per_token / result.bytes_per_token, result.achieved_gop_per_second()});
  }
  return plot;
}

}  // namespace pelton
