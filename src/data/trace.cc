#include "data/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <vector>

#include "base/error.h"
#include "data/json_string.h"
#include "data/recipe.h"
#include "data/run_manifest.h"
#include "data/scan.h"

namespace pelton::data {
namespace {

namespace fs = std::filesystem;

// The lines `{"id":"ID",…` of a file that a run wrote.
std::vector<json::object> rows_of(const std::string& id, const std::string& path) {
  std::vector<json::object> rows;
  if (path.empty() || !fs::exists(path)) return rows;
  std::string start = "{\"id\":";
  append_json_string(start, id);
  start += ',';
  const std::vector<InputFile> files = find_input_files(path, {});
  scan_lines(files, [&](const ScannedLine& line) {
    if (line.text.starts_with(start)) rows.push_back(parse_json(line.text, path).as_object());
    return true;
  });
  return rows;
}

json::value parsed_line(std::string_view line) {
  json::error_code code;
  json::value value = json::parse(line, code);
  return code ? json::value(json::string(line)) : value;
}

std::optional<json::value> read_line(const std::string& path, uint64_t number) {
  std::optional<json::value> found;
  if (!fs::exists(path)) return found;
  const std::vector<InputFile> files = find_input_files(path, {});
  scan_lines(files, [&](const ScannedLine& line) {
    if (line.number == number) found = parsed_line(line.text);
    return line.number < number;
  });
  return found;
}

// Records with that id of their own in the output.
json::object find_kept(const std::string& id, const std::string& path) {
  json::object kept;
  if (!fs::exists(path)) return kept;
  const std::vector<InputFile> files = find_input_files(path, {});
  scan_records(files, std::nullopt, [&](const ScannedRecord& scanned) {
    if (scanned.record.id != id) return true;
    kept = {{"line", scanned.record.line_number}, {"record", parsed_line(scanned.record.line)}};
    return false;
  });
  return kept;
}

json::object describe_read(const json::object& row, const RunManifest& manifest) {
  const json::array& inputs = manifest.object.at("inputs").as_array();
  const auto index = row.at("source").to_number<size_t>();
  if (index >= inputs.size())
    throw Error(ErrorCode::kCorruptFile, "the lineage names an input that the manifest lacks");
  const json::object& input = inputs[index].as_object();
  json::object read = {{"source", input.at("path")}, {"line", row.at("line")}, {"hash", row.at("hash")}};
  for (const std::string_view key : {"license", "url", "split", "synthetic"}) {
    if (const json::value* value = input.if_contains(key)) read[key] = *value;
  }
  const std::string path(input.at("path").as_string());
  if (std::optional<json::value> record = read_line(path, row.at("line").to_number<uint64_t>())) {
    read["record"] = *std::move(record);
  }
  return read;
}

void trace_through(const std::string& id, const std::string& output, const RunManifest& manifest, json::array& story) {
  std::vector<json::object> reads;
  json::array changes;
  for (json::object& row : rows_of(id, manifest.path_of("lineage"))) {
    if (row.contains("hash")) {
      reads.push_back(std::move(row));
    } else {
      row.erase("id");
      changes.push_back(std::move(row));
    }
  }
  const std::vector<json::object> drops = rows_of(id, manifest.path_of("dropped"));
  for (const json::object& row : reads) {
    json::object read = describe_read(row, manifest);
    json::object entry = {{"output", output}, {"read", read}, {"changes", changes}};
    const auto drop = std::find_if(drops.begin(), drops.end(), [&](const json::object& candidate) {
      return candidate.at("source") == read.at("source") && candidate.at("line") == read.at("line");
    });
    if (drop != drops.end()) {
      json::object dropped = *drop;
      for (const std::string_view key : {"id", "source", "line"}) dropped.erase(key);
      entry["dropped"] = std::move(dropped);
    } else {
      entry["kept"] = find_kept(id, output);
    }
    story.push_back(std::move(entry));
    const std::string source(read.at("source").as_string());
    if (const std::optional<RunManifest> before = read_run_manifest(source); before && source != output) {
      trace_through(id, source, *before, story);
    }
  }
}

}  // namespace

json::array trace_record(const std::string& id, const std::string& output) {
  const std::optional<RunManifest> manifest = read_run_manifest(output);
  if (!manifest) {
    throw Error(ErrorCode::kNotFound, fmt::format("{}.manifest.json is not there: {} is no output of `pelton data run`",
                                                  output_stem(output), output));
  }
  json::array story;
  trace_through(id, output, *manifest, story);
  if (story.empty()) throw Error(ErrorCode::kNotFound, fmt::format("no record '{}' went into {}", id, output));
  return story;
}

}  // namespace pelton::data
