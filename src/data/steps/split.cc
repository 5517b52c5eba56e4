// Writes into each record's field to which split it belongs. Records that are near each other come into one split, so
// that nothing of the test set has been trained on: near duplicates by their words, paraphrases by what they mean, or
// both. Whoever a chain of such pairs connects is one group.
#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/disjoint_sets.h"
#include "data/embedding_spill.h"
#include "data/mix_hash.h"
#include "data/sketch_spill.h"

namespace pelton::data {
namespace {

struct SplitShares {
  double validation = 0.05;
  double test = 0.05;
};

// What groups records.
class WordGroups {
 public:
  explicit WordGroups(StepOptions& options) : sketches_(near_duplicate_options(options)) {}

  size_t file_count() const { return sketches_.file_count(); }
  void append(std::span<const Record> records, Arena& arena, std::span<SpillBuffer> spills) const {
    for (const Record& record : records) sketches_.append(record, 0, arena, spills);
  }
  std::vector<NearDuplicate> pairs(const ObservedStream& stream) const { return sketches_.find(stream).dropped; }

 private:
  SketchSpill sketches_;
};

class MeaningGroups {
 public:
  explicit MeaningGroups(StepOptions& options) : options_(semantic_duplicate_options(options)), embeddings_(options) {}

  void append(std::span<const Record> records, Arena& arena, SpillBuffer& spill) const {
    embeddings_.append(records, arena, spill);
  }
  std::vector<NearDuplicate> pairs(const SpillFile& spill, const ObservedStream& stream) const {
    return embeddings_.find_duplicates(
        spill, options_, [](uint32_t) { return uint64_t{0}; }, stream);
  }

 private:
  SemanticDuplicateOptions options_;
  EmbeddingSpill embeddings_;
};

class SplitStep final : public StreamStep {
 public:
  SplitStep(std::optional<WordGroups> words, std::optional<MeaningGroups> meanings, SplitShares shares, uint64_t seed,
            std::string field)
      : words_(std::move(words)),
        meanings_(std::move(meanings)),
        shares_(shares),
        seed_(seed),
        field_(std::move(field)) {}

  // Sketches, then vectors. The last file holds a random number of each record, by its content: the order of the input
  // does not count.
  size_t spill_count() const override { return word_file_count() + (meanings_ ? 1 : 0) + 1; }

  void observe(std::span<const Record> records, Arena& arena, std::span<SpillBuffer> spills) const override {
    if (words_) words_->append(records, arena, spills);
    if (meanings_) meanings_->append(records, arena, spills[word_file_count()]);
    for (const Record& record : records) spills.back().append_row(mix_hash(record.hash.low ^ mix_hash(seed_)));
  }

  void decide(const ObservedStream& stream, Decisions& decisions) const override {
    const DisjointSets groups = groups_of(stream);
    std::vector<uint32_t> sizes(stream.record_count, 0);  // by the group's first record
    for (uint32_t record = 0; record < stream.record_count; ++record) ++sizes[groups.root_of(record)];
    const std::span<const uint64_t> numbers = stream.spills.back().rows<uint64_t>();
    for (uint32_t record = 0; record < stream.record_count; ++record) {
      const uint32_t first = groups.root_of(record);
      Decision decision;
      decision.record = record;
      decision.action = Verdict::Action::kChange;
      // So that a report counts groups, and those who are in one.
      decision.reason = sizes[first] == 1 ? "split_noted" : record == first ? "split_of_group" : "split_as_its_group";
      decision.edit = split_of_number(numbers[first]);
      decision.detail = decision.edit;
      if (sizes[first] > 1) decision.detail += fmt::format(", a group of {}", sizes[first]);
      decisions.add(decision);
    }
  }

  void change(Record& record, std::string_view edit, Arena& arena) const override {
    set_field(record, arena.copy(field_), arena.copy(edit), arena);
  }

 private:
  size_t word_file_count() const { return words_ ? words_->file_count() : 0; }

  DisjointSets groups_of(const ObservedStream& stream) const {
    DisjointSets groups(static_cast<uint32_t>(stream.record_count));
    if (words_) join(words_->pairs(stream), groups);
    if (meanings_) join(meanings_->pairs(stream.spills[word_file_count()], stream), groups);
    groups.flatten();
    return groups;
  }
  static void join(const std::vector<NearDuplicate>& pairs, DisjointSets& groups) {
    for (const NearDuplicate& pair : pairs) groups.join(pair.record, pair.duplicate_of);
  }

  std::string_view split_of_number(uint64_t number) const {
    const double place = static_cast<double>(number >> 11) * 0x1.0p-53;
    if (place < shares_.test) return "test";
    return place < shares_.test + shares_.validation ? "validation" : "train";
  }

  std::optional<WordGroups> words_;
  std::optional<MeaningGroups> meanings_;
  SplitShares shares_;
  uint64_t seed_;
  std::string field_;
};

constexpr std::array<std::string_view, 5> kWordOptions = {"ngram", "buckets", "hashes_per_bucket", "verify", "words"};
constexpr std::array<std::string_view, 8> kMeaningOptions = {"model", "similarity", "clusters", "probes",
                                                             "in",    "tokens_max", "pooling",  "activations"};

void refuse(const StepOptions& options, std::span<const std::string_view> names, std::string_view groups) {
  for (const std::string_view name : names) {
    if (options.has(name)) {
      options.fail(name, fmt::format("nothing unless records are grouped by that too (group: {} or both)", groups));
    }
  }
}

}  // namespace

Step make_split(StepOptions& options) {
  SplitShares shares;
  shares.validation = options.number("validation", shares.validation, 0, 1);
  shares.test = options.number("test", shares.test, 0, 1);
  if (shares.validation + shares.test > 1) options.fail("test", "a share that leaves 1 with that of validation");
  const size_t group = options.choice("group", {"words", "meaning", "both"});
  if (group == 0) refuse(options, kMeaningOptions, "meaning");
  if (group == 1) refuse(options, kWordOptions, "words");
  std::optional<WordGroups> words;
  std::optional<MeaningGroups> meanings;
  if (group != 1) words.emplace(options);
  if (group != 0) meanings.emplace(options);
  const auto seed = static_cast<uint64_t>(options.integer("seed", 1, 0));
  return std::make_unique<const SplitStep>(std::move(words), std::move(meanings), shares, seed,
                                           options.string("field", "split"));
}

}  // namespace pelton::data
