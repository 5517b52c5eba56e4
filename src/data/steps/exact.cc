// Exact duplicates: records of equal text. One of each group stays.
#include <fmt/format.h>

#include <cctype>
#include <tuple>

#include "data/content_hash.h"
#include "data/external_sort.h"
#include "data/keep_rule.h"
#include "data/step.h"

namespace pelton::data {
namespace {

struct ExactOptions {
  bool folds_case = false;   // ASCII's
  bool folds_space = false;  // runs of white space count as one space, those at the ends as none
  KeepRule keep;
};

// What is remembered of a record.
struct Row {
  uint64_t hash_high;
  uint64_t hash_low;
  uint64_t rank;  // of equal records, that of the highest rank stays; of those, the first
};

struct NumberedRow {
  Row row;
  uint64_t record;
};

struct ByHashThenRank {
  bool operator()(const NumberedRow& a, const NumberedRow& b) const {
    return std::tuple(a.row.hash_high, a.row.hash_low, b.row.rank, a.record) <
           std::tuple(b.row.hash_high, b.row.hash_low, a.row.rank, b.record);
  }
};

struct Drop {
  uint64_t record;
  uint64_t duplicate_of;
};

struct ByRecord {
  bool operator()(const Drop& a, const Drop& b) const { return a.record < b.record; }
};

bool is_space(char byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }

std::string_view normalise(std::string_view text, const ExactOptions& options, Arena& arena) {
  char* start = arena.allocate(text.size());
  char* end = start;
  bool is_after_space = true;
  for (const char byte : text) {
    if (options.folds_space && is_space(byte)) {
      if (!is_after_space) *end++ = ' ';
      is_after_space = true;
      continue;
    }
    is_after_space = false;
    const bool is_upper = options.folds_case && byte >= 'A' && byte <= 'Z';
    *end++ = is_upper ? static_cast<char>(byte + ('a' - 'A')) : byte;
  }
  if (options.folds_space && end != start && end[-1] == ' ') --end;
  return {start, static_cast<size_t>(end - start)};
}

class ExactStep final : public StreamStep {
 public:
  explicit ExactStep(ExactOptions options) : options_(std::move(options)) {}

  void observe(std::span<const Record> records, Arena& arena, std::span<SpillBuffer> spills) const override {
    for (const Record& record : records) {
      const ContentHash hash = key_of(record, arena);
      spills.front().append_row(Row{hash.high, hash.low, options_.keep.rank_of(record)});
    }
  }

  void decide(const ObservedStream& stream, Decisions& decisions) const override {
    const size_t memory_bytes = stream.memory_bytes_max / 2;
    ExternalSorter<NumberedRow, ByHashThenRank> groups(stream.scratch_folder, "groups", memory_bytes);
    uint64_t record = 0;
    for (const Row& row : stream.spills.front().rows<Row>()) groups.add({row, record++});
    groups.sort();

    ExternalSorter<Drop, ByRecord> drops(stream.scratch_folder, "drops", memory_bytes);
    NumberedRow kept{};
    NumberedRow row{};
    for (bool has_kept = false; groups.next(row); has_kept = true) {
      if (has_kept && row.row.hash_high == kept.row.hash_high && row.row.hash_low == kept.row.hash_low) {
        drops.add({row.record, kept.record});
      } else {
        kept = row;
      }
    }
    drops.sort();
    for (Drop drop{}; drops.next(drop);) {
      Decision decision;
      decision.record = drop.record;
      decision.reason = "exact_duplicate";
      decision.duplicate_of = drop.duplicate_of;
      decision.similarity = 1.0;
      decisions.add(decision);
    }
  }

 private:
  // Without normalising, the hash that every record has already.
  ContentHash key_of(const Record& record, Arena& arena) const {
    if (!options_.folds_case && !options_.folds_space) {
      return record.is_changed() ? content_hash(record) : record.hash;
    }
    ContentHasher hasher;
    hasher.add_structure(record);
    for_each_text(record, [&](std::string_view text) { hasher.add(normalise(text, options_, arena)); });
    return hasher.hash();
  }

  ExactOptions options_;
};

}  // namespace

Step make_exact(StepOptions& options) {
  ExactOptions exact;
  for (const std::string& fold : options.strings("normalize")) {
    if (fold == "case") {
      exact.folds_case = true;
    } else if (fold == "whitespace") {
      exact.folds_space = true;
    } else {
      options.fail("normalize", "a list of: case, whitespace");
    }
  }
  exact.keep = KeepRule::from_options(options);
  return std::make_unique<const ExactStep>(std::move(exact));
}

}  // namespace pelton::data
