// A step of a recipe: what it may do with records, and what it must say about it.
//
// Two kinds. A RecordStep looks at one record at a time, whatever the others are. A StreamStep decides by all of them:
// it sees every record once and remembers what it wants in spill files, then decides, and the records come by again to
// meet what was decided. Neither keeps anything that changes between calls: so a run that was killed goes on where it
// was, and the same input gives the same output on any number of threads.
//
// To add one: a file in data/steps/, a line in the list of data/steps/steps.cc.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "data/record.h"
#include "data/spill.h"
#include "data/step_options.h"

namespace pelton::data {

// What a step says about a record.
struct Verdict {
  enum class Action : uint8_t { kKeep, kChange, kDrop };

  Action action = Action::kKeep;
  std::string_view reason;  // of a fixed set, snake_case, static: "too_short". Counted in reports.
  std::string detail;       // what this record had: "12 words, at least 50"

  static Verdict keep() { return {}; }
  static Verdict change(std::string_view reason, std::string detail = {}) {
    return {Action::kChange, reason, std::move(detail)};
  }
  static Verdict drop(std::string_view reason, std::string detail = {}) {
    return {Action::kDrop, reason, std::move(detail)};
  }
};

class RecordStep {
 public:
  virtual ~RecordStep() = default;
  // Called on several threads at once. kChange exactly if something about the record is not what it was: its texts, its
  // messages, a field. New text goes into `arena`. A workspace that is dear to make may be thread_local.
  virtual Verdict apply(Record& record, Arena& arena) const = 0;
};

// What a StreamStep has decided about one record; it says nothing about those that it keeps as they are.
struct Decision {
  uint64_t record = 0;  // its number among those that the step observed, from 0
  Verdict::Action action = Verdict::Action::kDrop;
  std::string_view reason;  // as in Verdict
  std::string detail;
  // kDrop, of a duplicate: the record that it matches (by number, or by id where it is not of this run), and how much.
  std::optional<uint64_t> duplicate_of;
  std::string duplicate_of_id;
  std::optional<double> similarity;  // 0 to 1
  // kChange: what StreamStep::change() is told.
  std::string edit;
};

class Decisions {
 public:
  virtual ~Decisions() = default;
  // Records in ascending order, each at most once.
  virtual void add(const Decision& decision) = 0;
};

// What a StreamStep finds when all records have come by.
struct ObservedStream {
  uint64_t record_count = 0;
  std::span<const SpillFile> spills;            // as many as spill_count()
  std::filesystem::path scratch_folder;         // empty, its own; files there are removed after decide()
  size_t memory_bytes_max = size_t{512} << 20;  // for all that decide() holds beside mapped spill files
  int thread_count = 1;
  bool is_trial = false;  // nothing may be left behind
};

class StreamStep {
 public:
  virtual ~StreamStep() = default;
  // How many spill files it wants.
  virtual size_t spill_count() const { return 1; }
  // Called on several threads at once, with a batch each. What is appended for one batch follows, in every file, what
  // was appended for the batch before it: a step that appends one row a record finds record N's in row N.
  virtual void observe(std::span<const Record> records, Arena& arena, std::span<SpillBuffer> spills) const = 0;
  // Called once. May use `thread_count` threads; what it decides does not depend on how many.
  virtual void decide(const ObservedStream& stream, Decisions& decisions) const = 0;
  // For decisions with kChange: does it. Called on several threads at once.
  virtual void change(Record& record, std::string_view edit, Arena& arena) const;

  // Whether the records go on in another order, which arrange() says; then nothing is decided about them.
  virtual bool reorders() const { return false; }
  // Called once after decide(): `put_next` takes each record's number once, in the order in which they go on.
  virtual void arrange(const ObservedStream& stream, const std::function<void(uint64_t record)>& put_next) const;
};

using Step = std::variant<std::unique_ptr<const RecordStep>, std::unique_ptr<const StreamStep>>;

// A line in the list of data/steps/steps.cc.
struct StepType {
  std::string_view name;     // the key in the recipe
  std::string_view summary;  // one line of `pelton data steps`
  // Reads the options that it knows; whoever calls it refuses the others. Error kInvalidArgument: a wrong value.
  Step (*make)(StepOptions& options);
};

std::span<const StepType> step_types();
// Errors kInvalidArgument: no step of that name, a wrong or an unknown option.
Step make_step(std::string_view name, StepOptions& options);

}  // namespace pelton::data
