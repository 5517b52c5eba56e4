#include "data/phase.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "data/json_string.h"
#include "data/record_writer.h"

namespace pelton::data {
namespace {

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r") == std::string_view::npos; }

// Calls visit(line) for each line, without its newline.
template <typename Visit>
void for_each_line(std::string_view lines, Visit&& visit) {
  while (!lines.empty()) {
    const void* newline = std::memchr(lines.data(), '\n', lines.size());
    const size_t size =
        newline == nullptr ? lines.size() : static_cast<size_t>(static_cast<const char*>(newline) - lines.data());
    visit(lines.substr(0, size));
    lines.remove_prefix(std::min(size + 1, lines.size()));
  }
}

// Pieces that follow each other in memory become one.
void add_piece(std::vector<std::string_view>& pieces, std::string_view piece) {
  if (!pieces.empty() && pieces.back().data() + pieces.back().size() == piece.data()) {
    pieces.back() = {pieces.back().data(), pieces.back().size() + piece.size()};
  } else {
    pieces.push_back(piece);
  }
}

// A line of a block with its newline, which the last line of a file may lack.
void add_line(std::vector<std::string_view>& pieces, std::string_view line, std::string_view block) {
  const bool has_newline = line.data() + line.size() < block.data() + block.size();
  add_piece(pieces, {line.data(), line.size() + (has_newline ? 1 : 0)});
  if (!has_newline) pieces.emplace_back("\n");
}

void append_member(std::string_view name, std::string_view text, std::string& out) {
  out += ",\"";
  out += name;
  out += "\":";
  append_json_string(out, text);
}

void append_source(const SourceFile& source, uint64_t line_number, std::string& out) {
  append_member("source", source.path, out);
  fmt::format_to(std::back_inserter(out), ",\"line\":{}}}\n", line_number);
}

// {"id": …, "step": …, "reason": …, "detail": …, "duplicate_of": …, "similarity": …, "source": …, "line": …}
void append_dropped(std::string_view id, std::string_view step, const ResolvedDecision& decision,
                    const SourceFile& source, uint64_t line_number, std::string& out) {
  out += "{\"id\":";
  append_json_string(out, id);
  append_member("step", step, out);
  append_member("reason", decision.reason, out);
  if (!decision.detail.empty()) append_member("detail", decision.detail, out);
  if (!decision.duplicate_of.empty()) append_member("duplicate_of", decision.duplicate_of, out);
  if (decision.similarity) fmt::format_to(std::back_inserter(out), ",\"similarity\":{:.4g}", *decision.similarity);
  append_source(source, line_number, out);
}

void count_drop(StepCounts& counts, std::string_view reason) {
  ++counts.dropped;
  ++counts.reasons[std::string(reason)];
}

void reset(Batch& batch, size_t step_count, size_t spill_count) {
  batch.counts = RunCounts();
  batch.counts.steps.resize(step_count);
  batch.record_count = 0;
  batch.output.clear();
  batch.packed_output.clear();
  batch.dropped.clear();
  batch.quarantine.clear();
  batch.lineage.clear();
  batch.spills.resize(spill_count);
  for (SpillBuffer& spill : batch.spills) spill.clear();
  batch.ids.clear();
  batch.id_bytes.clear();
  batch.lines.clear();
  batch.line_rows.clear();
  batch.block_rows.clear();
}

}  // namespace

std::vector<PhasePlan> plan_phases(const Recipe& recipe) {
  std::vector<PhasePlan> phases(1);
  for (size_t i = 0; i < recipe.steps.size(); ++i) {
    if (std::holds_alternative<std::unique_ptr<const RecordStep>>(recipe.steps[i].step)) {
      phases.back().record_steps.push_back(i);
      continue;
    }
    phases.back().stream_step = i;
    phases.back().reorders = std::get<std::unique_ptr<const StreamStep>>(recipe.steps[i].step)->reorders();
    PhasePlan next;
    next.reads_sources = !phases.back().writes_lines();
    next.decided_step = i;
    next.is_first = false;
    phases.push_back(std::move(next));
  }
  return phases;
}

PhaseWorker::PhaseWorker(const Recipe& recipe, const PhasePlan& plan, std::span<const InputFile> files,
                         std::span<const LineRow> line_rows)
    : recipe_(recipe), plan_(plan), files_(files), line_rows_(line_rows) {}

void PhaseWorker::work(Batch& batch) const {
  size_t spill_count = 0;
  if (plan_.stream_step) {
    spill_count = std::get<std::unique_ptr<const StreamStep>>(recipe_.steps[*plan_.stream_step].step)->spill_count();
  }
  reset(batch, recipe_.steps.size(), spill_count);
  batch.arena_.reset();
  if (plan_.is_first) batch.counts.input_bytes = batch.block.lines().size();
  if (can_copy(batch)) {
    copy_lines(batch);
  } else {
    parse_lines(batch);
    if (plan_.stream_step) {
      show_records(batch);
    } else {
      write_records(batch);
    }
  }
  finish_output(batch);
}

// Whether all that is left to do is to leave out lines.
bool PhaseWorker::can_copy(const Batch& batch) const {
  if (!batch.found || batch.found->record_count != batch.found->line_count) return false;
  if (plan_.stream_step || !plan_.record_steps.empty() || recipe_.output_format) return false;
  return std::all_of(batch.decisions.begin(), batch.decisions.end(),
                     [](const ResolvedDecision& decision) { return decision.action == Verdict::Action::kDrop; });
}

void PhaseWorker::copy_lines(Batch& batch) const {
  const Block& block = batch.block;
  const uint64_t record_count = batch.found->record_count;
  batch.record_count = record_count;
  batch.counts.kept = record_count - batch.decisions.size();
  if (batch.decisions.empty() && block.line_count == record_count) {
    if (!block.lines().empty()) add_piece(batch.output, block.lines());
    if (!block.lines().ends_with('\n') && !block.lines().empty()) batch.output.emplace_back("\n");
    return;
  }
  uint64_t record = batch.first_record;
  uint64_t line_number = block.first_line;
  auto decision = batch.decisions.begin();
  for_each_line(block.lines(), [&](std::string_view line) {
    const uint64_t number = line_number++;
    if (is_blank(line)) return;
    if (decision != batch.decisions.end() && decision->record == record) {
      append_dropped(decision->id, recipe_.steps[*plan_.decided_step].label, *decision, block.file->source, number,
                     batch.dropped);
      count_drop(batch.counts.steps[*plan_.decided_step], decision->reason);
      ++decision;
    } else {
      add_line(batch.output, line, block.lines());
    }
    ++record;
  });
}

void PhaseWorker::parse_lines(Batch& batch) const {
  const Block& block = batch.block;
  if (!batch.parser_) batch.parser_.emplace(recipe_.input_format);
  batch.records_.clear();
  uint64_t line_number = block.first_line;
  uint32_t lines_not_blank = 0;
  auto decision = batch.decisions.begin();
  for_each_line(block.lines(), [&](std::string_view line) {
    const uint64_t number = line_number++;
    if (is_blank(line)) return;
    ++lines_not_blank;
    Record& record = batch.records_.emplace_back();
    if (!parse(line, number, record, batch)) return batch.records_.pop_back();
    const uint64_t record_number = batch.first_record + batch.record_count++;
    bool stays = true;
    if (decision != batch.decisions.end() && decision->record == record_number) {
      stays = meets_decision(record, *decision++, batch);
    }
    if (!stays || !passes_steps(record, batch)) batch.records_.pop_back();
  });
  if (block.problem && plan_.is_first) {
    note_bad_line(block.file->source, block.problem->number, block.problem->reason, {}, batch);
  }
  if (plan_.is_first) {
    batch.block_rows.append_row(BlockRow{static_cast<uint32_t>(batch.record_count), lines_not_blank});
  }
}

bool PhaseWorker::parse(std::string_view line, uint64_t line_number, Record& record, Batch& batch) const {
  if (plan_.reads_sources) {
    const SourceFile& source = batch.block.file->source;
    if (Problem problem = batch.parser_->parse(line, source, line_number, record, batch.arena_)) {
      // Who reads the sources again has heard of it.
      if (plan_.is_first) note_bad_line(source, line_number, *problem, line, batch);
      return false;
    }
    if (plan_.is_first) note_read(record, batch);
    return true;
  }
  const LineRow& row = line_rows_[batch.first_record + batch.record_count];
  CHECK(!batch.parser_->parse(line, files_[row.file].source, row.line_number, record, batch.arena_));
  record.changed_by = row.changed_by;
  record.hash = {row.hash_high, row.hash_low};
  return true;
}

bool PhaseWorker::meets_decision(Record& record, const ResolvedDecision& decision, Batch& batch) const {
  const size_t index = *plan_.decided_step;
  const RecipeStep& step = recipe_.steps[index];
  if (decision.action == Verdict::Action::kDrop) {
    append_dropped(record.id, step.label, decision, *record.source, record.line_number, batch.dropped);
    count_drop(batch.counts.steps[index], decision.reason);
    return false;
  }
  std::get<std::unique_ptr<const StreamStep>>(step.step)->change(record, batch.arena_.copy(decision.edit),
                                                                 batch.arena_);
  record.changed_by |= uint64_t{1} << index;
  note_change(record, index, decision.reason, decision.detail, batch);
  return true;
}

bool PhaseWorker::passes_steps(Record& record, Batch& batch) const {
  for (const size_t index : plan_.record_steps) {
    const RecipeStep& step = recipe_.steps[index];
    StepCounts& counts = batch.counts.steps[index];
    ++counts.seen;
    Verdict verdict = std::get<std::unique_ptr<const RecordStep>>(step.step)->apply(record, batch.arena_);
    if (verdict.action == Verdict::Action::kKeep) continue;
    if (verdict.action == Verdict::Action::kChange) {
      record.changed_by |= uint64_t{1} << index;
      note_change(record, index, verdict.reason, verdict.detail, batch);
      continue;
    }
    ResolvedDecision decision;
    decision.reason = verdict.reason;
    decision.detail = std::move(verdict.detail);
    append_dropped(record.id, step.label, decision, *record.source, record.line_number, batch.dropped);
    count_drop(counts, decision.reason);
    return false;
  }
  return true;
}

void PhaseWorker::show_records(Batch& batch) const {
  const RecipeStep& step = recipe_.steps[*plan_.stream_step];
  batch.counts.steps[*plan_.stream_step].seen += batch.records_.size();
  std::get<std::unique_ptr<const StreamStep>>(step.step)->observe(batch.records_, batch.arena_, batch.spills);
  for (const Record& record : batch.records_) {
    batch.ids.append(record.id);
    batch.id_bytes.push_back(static_cast<uint32_t>(record.id.size()));
  }
  if (!plan_.writes_lines()) return;
  for (const Record& record : batch.records_) {
    batch.scratch_.clear();
    CHECK(!write_record(record, std::nullopt, batch.scratch_));
    batch.scratch_ += '\n';
    batch.lines.append(batch.scratch_);
    batch.line_rows.append_row(
        LineRow{record.source->index, record.line_number, record.changed_by, record.hash.high, record.hash.low});
  }
}

void PhaseWorker::write_records(Batch& batch) const {
  for (const Record& record : batch.records_) {
    const bool is_as_read = !record.is_changed() && (!recipe_.output_format || *recipe_.output_format == record.format);
    if (is_as_read) {
      add_line(batch.output, record.line, batch.block.lines());
      ++batch.counts.kept;
      continue;
    }
    batch.scratch_.clear();
    if (Problem problem = write_record(record, recipe_.output_format, batch.scratch_)) {
      note_bad_line(*record.source, record.line_number,
                    fmt::format("cannot be written as {}: {}", format_name(*recipe_.output_format), *problem),
                    record.line, batch);
      continue;
    }
    batch.scratch_ += '\n';
    add_piece(batch.output, batch.arena_.copy(batch.scratch_));
    ++batch.counts.kept;
  }
}

void PhaseWorker::finish_output(Batch& batch) const {
  for (const std::string_view piece : batch.output) batch.counts.kept_bytes += piece.size();
  const auto pack_text = [&](std::string& text, Packing packing, int zstd_level) {
    if (packing == Packing::kNone || text.empty()) return;
    batch.scratch_.clear();
    pack(text, packing, batch.scratch_, zstd_level);
    std::swap(text, batch.scratch_);
  };
  constexpr int kLevel = 3;         // Zstandard's default
  constexpr int kLineageLevel = 1;  // read seldom, written always
  pack_text(batch.dropped, packing_of(recipe_.dropped), kLevel);
  pack_text(batch.lineage, Packing::kZstd, kLineageLevel);
  if (const Packing packing = packing_of(recipe_.output); packing != Packing::kNone && !batch.output.empty()) {
    for (const std::string_view piece : batch.output) batch.packed_output += piece;
    pack_text(batch.packed_output, packing, kLevel);
    batch.output.assign(1, batch.packed_output);
  }
}

// {"id": …, "hash": …, "source": number of the input, "line": …}
void PhaseWorker::note_read(const Record& record, Batch& batch) const {
  ++batch.counts.records;
  const std::string_view format = format_name(record.format);
  const auto count = batch.counts.formats.find(format);
  if (count == batch.counts.formats.end()) {
    batch.counts.formats.emplace(format, 1);
  } else {
    ++count->second;
  }
  batch.lineage += "{\"id\":";
  append_valid_json_string(batch.lineage, record.id);
  fmt::format_to(std::back_inserter(batch.lineage), ",\"hash\":\"{:016x}{:016x}\",\"source\":{},\"line\":{}}}\n",
                 record.hash.high, record.hash.low, record.source->index, record.line_number);
}

// {"id": …, "step": …, "changed": reason, "detail": …}
void PhaseWorker::note_change(const Record& record, size_t step, std::string_view reason, std::string_view detail,
                              Batch& batch) const {
  ++batch.counts.steps[step].changed;
  ++batch.counts.steps[step].reasons[std::string(reason)];
  batch.lineage += "{\"id\":";
  append_json_string(batch.lineage, record.id);
  append_member("step", recipe_.steps[step].label, batch.lineage);
  append_member("changed", reason, batch.lineage);
  if (!detail.empty()) append_member("detail", detail, batch.lineage);
  batch.lineage += "}\n";
}

// {"reason": …, "excerpt": …, "source": …, "line": …}
void PhaseWorker::note_bad_line(const SourceFile& source, uint64_t line_number, std::string_view reason,
                                std::string_view line, Batch& batch) const {
  constexpr size_t kExcerptBytes = 200;
  ++batch.counts.bad_lines;
  batch.quarantine += "{\"reason\":";
  append_json_string(batch.quarantine, reason);
  if (!line.empty()) append_member("excerpt", line.substr(0, kExcerptBytes), batch.quarantine);
  append_source(source, line_number, batch.quarantine);
}

}  // namespace pelton::data
