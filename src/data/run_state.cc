#include "data/run_state.h"

#include <fmt/format.h>

#include "base/check.h"

namespace pelton::data {
namespace {

using Reasons = std::map<std::string, uint64_t, std::less<>>;

void add_to(Reasons& sum, const Reasons& more) {
  for (const auto& [name, count] : more) sum[name] += count;
}

json::object reasons_to_json(const Reasons& counts) {
  json::object object;
  for (const auto& [name, count] : counts) object[name] = count;
  return object;
}

uint64_t number(const json::object& object, std::string_view name) { return object.at(name).to_number<uint64_t>(); }

Reasons read_counts(const json::object& object) {
  Reasons counts;
  for (const auto& [name, count] : object) counts[std::string(name)] = count.to_number<uint64_t>();
  return counts;
}

std::string text(const json::object& object, std::string_view name) { return std::string(object.at(name).as_string()); }

RunCounts read_run_counts(const json::object& object) {
  RunCounts counts;
  counts.input_bytes = number(object, "input_bytes");
  counts.records = number(object, "records");
  counts.bad_lines = number(object, "bad_lines");
  counts.kept = number(object, "kept");
  counts.kept_bytes = number(object, "kept_bytes");
  counts.formats = read_counts(object.at("formats").as_object());
  for (const json::value& item : object.at("steps").as_array()) {
    const json::object& step = item.as_object();
    counts.steps.push_back({number(step, "seen"), number(step, "dropped"), number(step, "changed"),
                            read_counts(step.at("reasons").as_object())});
  }
  return counts;
}

}  // namespace

void StepCounts::add(const StepCounts& other) {
  seen += other.seen;
  dropped += other.dropped;
  changed += other.changed;
  add_to(reasons, other.reasons);
}

void RunCounts::add(const RunCounts& other) {
  input_bytes += other.input_bytes;
  records += other.records;
  bad_lines += other.bad_lines;
  kept += other.kept;
  kept_bytes += other.kept_bytes;
  add_to(formats, other.formats);
  CHECK(steps.size() == other.steps.size());
  for (size_t i = 0; i < steps.size(); ++i) steps[i].add(other.steps[i]);
}

json::object to_json(const StepCounts& counts) {
  return {{"seen", counts.seen},
          {"dropped", counts.dropped},
          {"changed", counts.changed},
          {"reasons", reasons_to_json(counts.reasons)}};
}

json::object to_json(const RunCounts& counts) {
  json::array steps;
  for (const StepCounts& step : counts.steps) steps.push_back(to_json(step));
  return {{"input_bytes", counts.input_bytes}, {"records", counts.records},
          {"bad_lines", counts.bad_lines},     {"kept", counts.kept},
          {"kept_bytes", counts.kept_bytes},   {"formats", reasons_to_json(counts.formats)},
          {"steps", std::move(steps)}};
}

json::object RunState::to_json() const {
  json::array files;
  for (const ReadFile& file : read_files) files.push_back(json::object{{"hash", file.hash}, {"lines", file.lines}});
  return {{"phase", phase},
          {"position", json::object{{"file", position.file}, {"bytes", position.bytes}, {"lines", position.lines}}},
          {"block_count", block_count},
          {"record_count", record_count},
          {"decision_offset", decision_offset},
          {"file_bytes", reasons_to_json(file_bytes)},
          {"counts", data::to_json(counts)},
          {"read_files", std::move(files)},
          {"input_lines", input_lines},
          {"input_hash", input_hash},
          {"output_hash", output_hash}};
}

RunState RunState::from_json(const json::object& object) {
  RunState state;
  state.phase = number(object, "phase");
  const json::object& position = object.at("position").as_object();
  state.position = {number(position, "file"), number(position, "bytes"), number(position, "lines")};
  state.block_count = number(object, "block_count");
  state.record_count = number(object, "record_count");
  state.decision_offset = number(object, "decision_offset");
  state.file_bytes = read_counts(object.at("file_bytes").as_object());
  state.counts = read_run_counts(object.at("counts").as_object());
  for (const json::value& item : object.at("read_files").as_array()) {
    state.read_files.push_back({text(item.as_object(), "hash"), number(item.as_object(), "lines")});
  }
  state.input_lines = number(object, "input_lines");
  state.input_hash = text(object, "input_hash");
  state.output_hash = text(object, "output_hash");
  return state;
}

}  // namespace pelton::data
