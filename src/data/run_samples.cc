#include "data/run_samples.h"

#include <fmt/format.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "data/input_files.h"
#include "data/reservoir.h"
#include "data/run_manifest.h"
#include "data/scan.h"
#include "data/text_excerpt.h"

namespace pelton::data {
namespace {

constexpr size_t kExcerptBytes = 600;

// A line of the file of dropped records or of the lineage, with where its record was read.
struct SampledRow {
  RecordSample sample;
  std::string source;
  uint64_t line = 0;
};

using StepAndReason = std::pair<std::string, std::string>;
using Reservoirs = std::map<StepAndReason, Reservoir<SampledRow>>;

std::string text_of(const json::object& row, std::string_view key) {
  const json::value* value = row.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

void scan_rows(const std::string& path, const std::function<void(const json::object&)>& visit) {
  if (path.empty() || !std::filesystem::exists(path)) return;
  scan_lines(find_input_files(path, {}), [&](const ScannedLine& line) {
    visit(parse_json(line.text, path).as_object());
    return true;
  });
}

SampledRow row_of(const json::object& row, std::string_view reason_key) {
  SampledRow sampled;
  sampled.sample.id = text_of(row, "id");
  sampled.sample.reason = text_of(row, reason_key);
  sampled.sample.detail = text_of(row, "detail");
  sampled.sample.duplicate_of = text_of(row, "duplicate_of");
  if (const json::value* value = row.if_contains("similarity")) sampled.sample.similarity = value->to_number<double>();
  sampled.source = text_of(row, "source");
  if (const json::value* value = row.if_contains("line")) sampled.line = value->to_number<uint64_t>();
  return sampled;
}

// Some of the rows that have a reason under `reason_key`, for each step and reason.
Reservoirs sample_rows(const std::string& path, std::string_view reason_key, const RunSampleOptions& options) {
  Reservoirs reservoirs;
  scan_rows(path, [&](const json::object& row) {
    if (!row.contains(reason_key)) return;
    StepAndReason key{text_of(row, "step"), text_of(row, reason_key)};
    auto found = reservoirs.find(key);
    if (found == reservoirs.end()) {
      found = reservoirs.emplace(std::move(key), Reservoir<SampledRow>(options.per_reason_max, options.seed)).first;
    }
    found->second.offer([&] { return row_of(row, reason_key); });
  });
  return reservoirs;
}

std::map<std::string, std::vector<SampledRow>> by_step(Reservoirs reservoirs) {
  std::map<std::string, std::vector<SampledRow>> rows;
  for (auto& [key, reservoir] : reservoirs) {
    for (SampledRow& row : reservoir.take()) rows[key.first].push_back(std::move(row));
  }
  return rows;
}

StepCounts counts_of(const json::object& step) {
  const auto number = [&](std::string_view key) { return step.at(key).to_number<uint64_t>(); };
  StepCounts counts{.seen = number("seen"), .dropped = number("dropped"), .changed = number("changed"), .reasons = {}};
  for (const auto& [reason, count] : step.at("reasons").as_object()) {
    counts.reasons[std::string(reason)] = count.to_number<uint64_t>();
  }
  return counts;
}

// Finds the texts of rows in files that are read once each.
class TextFinder {
 public:
  // `found` gets the beginning of the record in that line.
  void want_line(const std::string& path, uint64_t line, std::string& found) { lines_[path].emplace(line, &found); }
  void want_output(const std::string& id, std::string& found) {
    if (!id.empty()) output_ids_.emplace(id, &found);
  }

  void find_lines() const {
    for (const auto& [path, lines] : lines_) {
      if (!std::filesystem::exists(path)) continue;
      size_t missing = lines.size();
      scan_records(find_input_files(path, {}), std::nullopt, [&, &wanted = lines](const ScannedRecord& scanned) {
        const auto [begin, end] = wanted.equal_range(scanned.record.line_number);
        for (auto place = begin; place != end; ++place, --missing) *place->second = excerpt_of(scanned);
        return missing > 0;
      });
    }
  }

  // Called for each record of the output.
  void look_at(const ScannedRecord& scanned) const {
    const auto [begin, end] = output_ids_.equal_range(scanned.record.id);
    for (auto place = begin; place != end; ++place) *place->second = excerpt_of(scanned);
  }

  static std::string excerpt_of(const ScannedRecord& scanned) {
    return std::string(beginning_of(whole_text(scanned.record, scanned.arena), kExcerptBytes));
  }

 private:
  std::map<std::string, std::multimap<uint64_t, std::string*>> lines_;
  std::multimap<std::string, std::string*, std::less<>> output_ids_;
};

// Where the records that were changed had been read.
void find_sources(const RunManifest& manifest, const std::string& lineage,
                  std::multimap<std::string, SampledRow*>& rows) {
  if (rows.empty()) return;
  const json::array& inputs = manifest.object.at("inputs").as_array();
  scan_rows(lineage, [&](const json::object& row) {
    if (!row.contains("hash")) return;
    const auto [begin, end] = rows.equal_range(text_of(row, "id"));
    for (auto place = begin; place != end; ++place) {
      const auto index = row.at("source").to_number<size_t>();
      if (index >= inputs.size())
        throw Error(ErrorCode::kCorruptFile, fmt::format("{}: names an input that the manifest lacks", lineage));
      place->second->source = text_of(inputs[index].as_object(), "path");
      place->second->line = row.at("line").to_number<uint64_t>();
    }
  });
}

std::vector<RecordSample> samples_of(std::vector<SampledRow>& rows) {
  std::vector<RecordSample> samples;
  for (SampledRow& row : rows) samples.push_back(std::move(row.sample));
  return samples;
}

}  // namespace

std::optional<RunSamples> sample_run(const std::string& output, const RunSampleOptions& options) {
  const std::optional<RunManifest> manifest = read_run_manifest(output);
  if (!manifest) return std::nullopt;
  const std::string lineage = manifest->path_of("lineage");
  auto dropped = by_step(sample_rows(manifest->path_of("dropped"), "reason", options));
  auto changed = by_step(sample_rows(lineage, "changed", options));

  std::multimap<std::string, SampledRow*> changed_by_id;
  for (auto& [step, rows] : changed) {
    for (SampledRow& row : rows) changed_by_id.emplace(row.sample.id, &row);
  }
  find_sources(*manifest, lineage, changed_by_id);

  TextFinder finder;
  for (auto* steps : {&dropped, &changed}) {
    for (auto& [step, rows] : *steps) {
      for (SampledRow& row : rows) finder.want_line(row.source, row.line, row.sample.text);
    }
  }
  for (auto& [step, rows] : dropped) {
    for (SampledRow& row : rows) finder.want_output(row.sample.duplicate_of, row.sample.duplicate_text);
  }
  for (const auto& [id, row] : changed_by_id) finder.want_output(id, row->sample.written);
  finder.find_lines();

  Reservoir<RecordSample> kept(options.kept_max, options.seed);
  if (std::filesystem::exists(output)) {
    scan_records(find_input_files(output, {}), std::nullopt, [&](const ScannedRecord& scanned) {
      finder.look_at(scanned);
      kept.offer([&] {
        RecordSample sample;
        sample.id = scanned.record.id;
        sample.text = TextFinder::excerpt_of(scanned);
        return sample;
      });
      return true;
    });
  }

  const json::object& counts = manifest->object.at("counts").as_object();
  RunSamples samples{.records = counts.at("records").to_number<uint64_t>(),
                     .bad_lines = counts.at("bad_lines").to_number<uint64_t>(),
                     .kept = counts.at("kept").to_number<uint64_t>(),
                     .steps = {},
                     .kept_samples = kept.take()};
  for (const json::value& step : manifest->object.at("steps").as_array()) {
    std::string label = text_of(step.as_object(), "step");
    samples.steps.push_back(
        {label, counts_of(step.as_object()), samples_of(dropped[label]), samples_of(changed[label])});
  }
  return samples;
}

namespace {

json::object to_json(const RecordSample& sample) {
  json::object object = {{"id", sample.id}};
  const auto add = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) object[key] = value;
  };
  add("reason", sample.reason);
  add("detail", sample.detail);
  add("duplicate_of", sample.duplicate_of);
  if (sample.similarity) object["similarity"] = *sample.similarity;
  add("text", sample.text);
  add("written", sample.written);
  add("duplicate_text", sample.duplicate_text);
  return object;
}

json::array to_json(const std::vector<RecordSample>& samples) {
  json::array array;
  for (const RecordSample& sample : samples) array.push_back(to_json(sample));
  return array;
}

}  // namespace

json::object to_json(const RunSamples& samples) {
  json::array steps;
  for (const StepSamples& step : samples.steps) {
    json::object object = to_json(step.counts);
    object["step"] = step.step;
    object["dropped_samples"] = to_json(step.dropped);
    object["changed_samples"] = to_json(step.changed);
    steps.push_back(std::move(object));
  }
  return {{"records", samples.records},
          {"bad_lines", samples.bad_lines},
          {"kept", samples.kept},
          {"steps", std::move(steps)},
          {"kept_samples", to_json(samples.kept_samples)}};
}

}  // namespace pelton::data
