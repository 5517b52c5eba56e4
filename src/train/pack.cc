#include "train/pack.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "base/error.h"
#include "data/block_reader.h"
#include "data/input_files.h"
#include "data/ordered_pipeline.h"

namespace pelton {
namespace {

struct PackedExample {
  Example example;
  RecordForm form;
  std::string source;
  int64_t line;
};

// A line that gave examples, or none and why.
struct PackedLine {
  std::vector<PackedExample> examples;
  RecordForm form{};
  int64_t number = 0;
  std::string problem;
};

struct PackedBlock {
  data::Block block;
  std::vector<PackedLine> lines;
};

// Each piece begins with the last token of the one before: so every token is learnt once.
std::vector<TrainingSequence> pieces_of(const TrainingSequence& sequence, size_t length_max) {
  std::vector<TrainingSequence> pieces;
  for (size_t begin = 0; begin + 1 < sequence.tokens.size(); begin += length_max - 1) {
    const size_t end = std::min(begin + length_max, sequence.tokens.size());
    const auto first = static_cast<std::ptrdiff_t>(begin);
    const auto last = static_cast<std::ptrdiff_t>(end);
    TrainingSequence piece;
    piece.tokens.assign(sequence.tokens.begin() + first, sequence.tokens.begin() + last);
    piece.is_learnt.assign(sequence.is_learnt.begin() + first, sequence.is_learnt.begin() + last);
    piece.is_learnt.front() = false;
    if (piece.learnt_count() > 0) pieces.push_back(std::move(piece));
  }
  return pieces;
}

class Packer {
 public:
  Packer(const std::shared_ptr<const ModelBundle>& bundle, const PackOptions& options)
      : options_(options),
        encoder_(bundle, {.sequence_length_max = options.cuts_texts ? std::numeric_limits<int64_t>::max()
                                                                    : options.sequence_length_max}) {}

  void pack(PackedBlock& packed) const {
    packed.lines.clear();
    auto number = static_cast<int64_t>(packed.block.first_line);
    for (std::string_view rest = packed.block.lines(); !rest.empty(); ++number) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      packed.lines.push_back(pack_line(line, packed.block.file->source.path, number));
    }
  }

 private:
  PackedLine pack_line(std::string_view line, const std::string& file, int64_t number) const {
    PackedLine packed;
    packed.number = number;
    try {
      const json::value value = parse_json(line, "the line");
      Record record = parse_record(value);
      record.file = file;
      record.line = number;
      packed.form = record.form;
      const std::string source = source_of(value, file);
      Example example = encoder_.encode(record);
      for (Example& part : parts_of(std::move(example), record.form)) {
        packed.examples.push_back({std::move(part), record.form, source, number});
      }
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kInvalidArgument) throw;
      packed.examples.clear();
      packed.problem = error.message();
    }
    return packed;
  }

  std::vector<Example> parts_of(Example example, RecordForm form) const {
    std::vector<Example> parts;
    const auto length_max = static_cast<size_t>(options_.sequence_length_max);
    const bool is_long = std::any_of(example.sequences.begin(), example.sequences.end(),
                                     [&](const TrainingSequence& one) { return one.tokens.size() > length_max; });
    if (!is_long) {
      parts.push_back(std::move(example));
      return parts;
    }
    if (form != RecordForm::kText) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("the record has more than {} tokens, and only texts can be cut", length_max));
    }
    for (TrainingSequence& piece : pieces_of(example.sequences.front(), length_max)) {
      parts.push_back({.place = example.place, .sequences = {std::move(piece)}, .is_desirable = std::nullopt});
    }
    return parts;
  }

  std::string source_of(const json::value& value, const std::string& file) const {
    if (options_.source_field.empty()) return file;
    const json::value* field = value.get_object().if_contains(options_.source_field);
    return field != nullptr && field->is_string() ? std::string(field->get_string()) : "unknown";
  }

  const PackOptions& options_;
  ExampleEncoder encoder_;
};

}  // namespace

PackReport pack_records(const std::shared_ptr<const ModelBundle>& bundle, const std::vector<std::string>& inputs,
                        const std::string& output, const PackOptions& options) {
  if (!is_token_file(output)) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: its name must end in .tokens.safetensors", output),
                "output");
  }
  const std::vector<data::InputFile> files = data::find_input_files(inputs);
  const Packer packer(bundle, options);
  TokenFileWriter writer(output, *bundle->tokenizer);
  PackReport report;
  const auto note_bad = [&](const std::string& file, uint64_t line, std::string_view reason) {
    const std::string message = fmt::format("{}:{}: {}", file, line, reason);
    if (options.bad == BadRecord::kStop) throw Error(ErrorCode::kInvalidArgument, message);
    if (report.records.skipped++ == 0) report.records.first_skipped = message;
  };
  data::BlockReader reader(files);
  data::OrderedPipeline<PackedBlock> pipeline;
  pipeline.produce = [&](PackedBlock& packed) {
    if (options.should_stop && options.should_stop()) throw Error(ErrorCode::kCancelled, "stopped");
    return reader.next(packed.block);
  };
  pipeline.work = [&](PackedBlock& packed) { packer.pack(packed); };
  pipeline.commit = [&](PackedBlock& packed) {
    const std::string& file = packed.block.file->source.path;
    for (const PackedLine& line : packed.lines) {
      if (line.examples.empty()) {
        note_bad(file, static_cast<uint64_t>(line.number), line.problem);
        continue;
      }
      ++report.records.by_form[line.form];
      for (const PackedExample& one : line.examples) writer.add(one.example, one.form, one.source, one.line);
    }
    if (packed.block.problem) note_bad(file, packed.block.problem->number, packed.block.problem->reason);
    report.text_bytes += packed.block.lines().size();
  };
  pipeline.run(std::max<size_t>(options.thread_count, 1));
  if (report.records.taken() == 0) throw Error(ErrorCode::kInvalidArgument, "there is no record to pack");
  writer.commit();
  report.sources = writer.sources();
  return report;
}

}  // namespace pelton
