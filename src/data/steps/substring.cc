// Passages that came before are cut out, wherever they begin: what whole records and paragraphs have in common only in
// part. A record of which too little is left is dropped.
#include <fmt/format.h>

#include <cstring>

#include "data/comparable_words.h"
#include "data/repeated_passages.h"
#include "data/step.h"

namespace pelton::data {
namespace {

class SubstringStep final : public StreamStep {
 public:
  SubstringStep(size_t length, size_t left_min) : length_(length), left_min_(left_min) {}

  // Hashes of words, and how many each record has.
  size_t spill_count() const override { return 2; }

  void observe(std::span<const Record> records, Arena& /*arena*/, std::span<SpillBuffer> spills) const override {
    thread_local std::vector<uint64_t> words;
    for (const Record& record : records) {
      hash_words(text_of(record), WordNormalization::kWords, words);
      spills[0].append({reinterpret_cast<const char*>(words.data()), words.size() * sizeof(uint64_t)});
      spills[1].append_row(static_cast<uint64_t>(words.size()));
    }
  }

  void decide(const ObservedStream& stream, Decisions& decisions) const override {
    const std::span<const uint64_t> words = stream.spills[0].rows<uint64_t>();
    const std::span<const uint64_t> counts = stream.spills[1].rows<uint64_t>();
    find_repeated_passages(words, counts, {length_, stream.scratch_folder, stream.memory_bytes_max},
                           [&](uint64_t record, const std::vector<RepeatedPassage>& passages) {
                             uint64_t cut = 0;
                             for (const RepeatedPassage& passage : passages) cut += passage.end - passage.begin;
                             Decision decision;
                             decision.record = record;
                             decision.detail =
                                 fmt::format("{} of {} words, in {} passages", cut, counts[record], passages.size());
                             decision.similarity = static_cast<double>(cut) / static_cast<double>(counts[record]);
                             if (counts[record] - cut < left_min_ || counts[record] == cut) {
                               decision.reason = "passages_repeated";
                               if (passages.front().original != record)
                                 decision.duplicate_of = passages.front().original;
                             } else {
                               decision.action = Verdict::Action::kChange;
                               decision.reason = "passages_removed";
                               decision.similarity.reset();
                               for (const RepeatedPassage& passage : passages) {
                                 const uint64_t both[] = {passage.begin, passage.end};
                                 decision.edit.append(reinterpret_cast<const char*>(both), sizeof both);
                               }
                             }
                             decisions.add(decision);
                           });
  }

  // Cuts from the end of the word before a passage to the end of its last word.
  void change(Record& record, std::string_view edit, Arena& arena) const override {
    std::vector<uint64_t> words;
    std::vector<size_t> ends;
    hash_words(record.text, WordNormalization::kWords, words, ends);
    std::string kept;
    size_t position = 0;
    for (; !edit.empty(); edit.remove_prefix(2 * sizeof(uint64_t))) {
      uint64_t begin = 0;
      uint64_t end = 0;
      std::memcpy(&begin, edit.data(), sizeof begin);
      std::memcpy(&end, edit.data() + sizeof begin, sizeof end);
      const size_t from = begin == 0 ? 0 : ends[begin - 1];
      kept += record.text.substr(position, from - position);
      position = ends[end - 1];
    }
    kept += record.text.substr(position);
    record.text = arena.copy(kept);
  }

 private:
  // Of a chat nothing: an answer without a part of it is another answer.
  static std::string_view text_of(const Record& record) {
    return record.kind == RecordKind::kText ? record.text : std::string_view();
  }

  size_t length_;
  size_t left_min_;
};

}  // namespace

Step make_substring(StepOptions& options) {
  const auto length = static_cast<size_t>(options.integer("words", 50, 2, 100'000));
  const auto left_min = static_cast<size_t>(options.integer("left_min", 20, 0));
  return std::make_unique<const SubstringStep>(length, left_min);
}

}  // namespace pelton::data
