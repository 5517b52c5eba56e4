// Puts records into an order: what is easy first (curriculum learning: Bengio et al. 2009), by a number that an earlier
// step has noted (perplexity, a classifier's score, instruction_difficulty), by length, or by chance.
#include <fmt/format.h>

#include <tuple>

#include "base/error.h"
#include "data/external_sort.h"
#include "data/mix_hash.h"
#include "data/ordered_bits.h"
#include "data/step.h"

namespace pelton::data {
namespace {

enum class Missing { kRefused, kFirst, kLast };

struct CurriculumOptions {
  std::string by;  // "length" (bytes of text), "turns", "random", or a number field of the records
  bool is_descending = false;
  uint64_t level_count = 0;  // as many equal parts, each shuffled: from the easiest to the hardest; 0: no shuffling
  Missing missing = Missing::kRefused;
  uint64_t seed = 0;
};

// What is remembered of a record.
struct KeyRow {
  uint64_t key;
  uint64_t chance;
  uint64_t is_missing;
};
struct PlacedRow {
  uint64_t group;  // of which the lowest comes first
  uint64_t key;
  uint64_t record;
};
struct ByGroupThenKey {
  bool operator()(const PlacedRow& a, const PlacedRow& b) const {
    return std::tie(a.group, a.key, a.record) < std::tie(b.group, b.key, b.record);
  }
};
using Sorter = ExternalSorter<PlacedRow, ByGroupThenKey>;

class CurriculumStep final : public StreamStep {
 public:
  explicit CurriculumStep(CurriculumOptions options) : options_(std::move(options)) {}

  void observe(std::span<const Record> records, Arena& /*arena*/, std::span<SpillBuffer> spills) const override {
    for (const Record& record : records) {
      const uint64_t chance = mix_hash(record.hash.low ^ mix_hash(record.hash.high + options_.seed));
      const std::optional<double> number = number_of(record);
      uint64_t key = number ? ordered_bits(*number) : 0;
      if (options_.by == "random") key = chance;
      if (options_.is_descending) key = ~key;
      spills[0].append_row(KeyRow{key, chance, number ? 0u : 1u});
    }
  }

  void decide(const ObservedStream& stream, Decisions& /*decisions*/) const override {
    if (options_.missing != Missing::kRefused) return;
    uint64_t missing = 0;
    for (const KeyRow& row : stream.spills[0].rows<KeyRow>()) missing += row.is_missing;
    if (missing == 0) return;
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("curriculum: {} of {} records have no number '{}'; name another field in `by`, or say where "
                    "they belong with `missing: first` or `missing: last`",
                    missing, stream.record_count, options_.by),
        "by");
  }

  bool reorders() const override { return true; }

  void arrange(const ObservedStream& stream, const std::function<void(uint64_t record)>& put_next) const override {
    const std::span<const KeyRow> rows = stream.spills[0].rows<KeyRow>();
    Sorter by_key(stream.scratch_folder, "keys", stream.memory_bytes_max / 2);
    for (uint64_t record = 0; record < rows.size(); ++record) {
      const bool is_last = (rows[record].is_missing != 0) == (options_.missing == Missing::kLast);
      by_key.add({is_last ? 1u : 0u, rows[record].key, record});
    }
    by_key.sort();
    if (options_.level_count == 0) {
      for (PlacedRow row{}; by_key.next(row);) put_next(row.record);
      return;
    }
    Sorter by_level(stream.scratch_folder, "levels", stream.memory_bytes_max / 2);
    uint64_t place = 0;
    for (PlacedRow row{}; by_key.next(row);) {
      by_level.add({place++ * options_.level_count / rows.size(), rows[row.record].chance, row.record});
    }
    by_level.sort();
    for (PlacedRow row{}; by_level.next(row);) put_next(row.record);
  }

 private:
  // None: it has no such number.
  std::optional<double> number_of(const Record& record) const {
    if (options_.by == "random") return 0;
    if (options_.by == "turns") return static_cast<double>(record.messages.size() + record.chosen.size());
    if (options_.by == "length") {
      uint64_t bytes = 0;
      for_each_text(record, [&](std::string_view text) { bytes += text.size(); });
      return static_cast<double>(bytes);
    }
    const Field* field = find_field(record, options_.by);
    const double* number = field == nullptr ? nullptr : std::get_if<double>(&field->value);
    return number == nullptr ? std::nullopt : std::optional(*number);
  }

  CurriculumOptions options_;
};

}  // namespace

Step make_curriculum(StepOptions& options) {
  CurriculumOptions curriculum;
  curriculum.by = options.string("by", "length");
  if (curriculum.by.empty()) options.fail("by", "length, turns, random, or a field's name");
  curriculum.is_descending = options.choice("order", {"ascending", "descending"}) == 1;
  curriculum.level_count = static_cast<uint64_t>(options.integer("levels", 0, 0, int64_t{1} << 30));
  curriculum.missing = static_cast<Missing>(options.choice("missing", {"refused", "first", "last"}));
  curriculum.seed = static_cast<uint64_t>(options.integer("seed", 0, 0));
  return std::make_unique<const CurriculumStep>(std::move(curriculum));
}

}  // namespace pelton::data
