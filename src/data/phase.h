// A recipe as phases: what one pass over the records does.
//
// A phase takes records from the sources, or from where the phase before has put them, applies what a StreamStep has
// decided about them, takes them through record steps, and shows them to the next StreamStep or writes them out.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/arena.h"
#include "data/block_reader.h"
#include "data/decision_file.h"
#include "data/recipe.h"
#include "data/record_parser.h"
#include "data/run_state.h"

namespace pelton::data {

struct PhasePlan {
  bool reads_sources = true;           // else the lines that the phase before wrote
  std::optional<size_t> decided_step;  // of the recipe: the StreamStep whose decisions are met
  std::vector<size_t> record_steps;    // of the recipe
  std::optional<size_t> stream_step;   // of the recipe: what is shown the records; none: they are written out
  bool is_first = true;
  bool reorders = false;  // the StreamStep puts the records into another order
  // Shown records are kept for the next phase, unless it can as well read the sources again.
  bool writes_lines() const { return stream_step && (reorders || !is_first || !record_steps.empty()); }
};
std::vector<PhasePlan> plan_phases(const Recipe& recipe);

// What is known of a record that lies in a phase's lines.
struct LineRow {
  uint64_t file;  // of the inputs
  uint64_t line_number;
  uint64_t changed_by;
  uint64_t hash_high;
  uint64_t hash_low;
};

// What the first phase found in a block, for who reads it again.
struct BlockRow {
  uint32_t record_count;
  uint32_t line_count;  // those that are not blank
};

// A block and all that becomes of it in a phase. Reused.
struct Batch {
  Block block;
  uint64_t block_number = 0;                // of the phase's input
  uint64_t decision_offset = 0;             // where the decisions about later records begin
  uint64_t first_record = 0;                // the number of its first record in the phase's input
  std::optional<BlockRow> found;            // the sources, read again
  std::vector<ResolvedDecision> decisions;  // about its records

  RunCounts counts;
  uint64_t record_count = 0;             // of the phase's input
  std::vector<std::string_view> output;  // pieces, into the block, the arena or `packed_output`
  std::string packed_output;
  std::string dropped;
  std::string quarantine;
  std::string lineage;
  std::vector<SpillBuffer> spills;  // of the StreamStep
  SpillBuffer ids;
  std::vector<uint32_t> id_bytes;
  SpillBuffer lines;
  SpillBuffer line_rows;
  SpillBuffer block_rows;

 private:
  friend class PhaseWorker;
  Arena arena_;
  std::vector<Record> records_;
  std::optional<RecordParser> parser_;
  std::string scratch_;
};

// Works on batches, on many threads at once: it keeps nothing.
class PhaseWorker {
 public:
  // `line_rows`: of the lines that the phase before wrote. All must outlive it.
  PhaseWorker(const Recipe& recipe, const PhasePlan& plan, std::span<const InputFile> files,
              std::span<const LineRow> line_rows);

  void work(Batch& batch) const;

 private:
  bool can_copy(const Batch& batch) const;
  void copy_lines(Batch& batch) const;
  void parse_lines(Batch& batch) const;
  bool parse(std::string_view line, uint64_t line_number, Record& record, Batch& batch) const;
  bool meets_decision(Record& record, const ResolvedDecision& decision, Batch& batch) const;
  bool passes_steps(Record& record, Batch& batch) const;
  void show_records(Batch& batch) const;
  void write_records(Batch& batch) const;
  void finish_output(Batch& batch) const;

  void note_read(const Record& record, Batch& batch) const;
  void note_change(const Record& record, size_t step, std::string_view reason, std::string_view detail,
                   Batch& batch) const;
  void note_bad_line(const SourceFile& source, uint64_t line_number, std::string_view reason, std::string_view line,
                     Batch& batch) const;

  const Recipe& recipe_;
  const PhasePlan& plan_;
  std::span<const InputFile> files_;
  std::span<const LineRow> line_rows_;
};

}  // namespace pelton::data
