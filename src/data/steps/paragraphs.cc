// Paragraphs, lines or sentences that an earlier record, or the same one, has already: they are cut out, as from
// pages that share a menu or a notice. A record of which nothing is left is dropped.
#include <fmt/format.h>

#include <tuple>

#include "data/character_class.h"
#include "data/comparable_words.h"
#include "data/external_sort.h"
#include "data/sentences.h"
#include "data/step.h"

namespace pelton::data {
namespace {

// In the order of the records, each with its paragraphs in order.
struct ParagraphRow {
  uint64_t hash;  // of its words; 0: too short to count
};

struct PlacedParagraph {
  uint64_t hash;
  uint64_t record;
  uint64_t paragraph;
};
struct ByHash {
  bool operator()(const PlacedParagraph& a, const PlacedParagraph& b) const {
    return std::tie(a.hash, a.record, a.paragraph) < std::tie(b.hash, b.record, b.paragraph);
  }
};
struct Copy {
  uint64_t record;
  uint64_t paragraph;
  uint64_t original;  // record
};
struct ByPlace {
  bool operator()(const Copy& a, const Copy& b) const {
    return std::tie(a.record, a.paragraph) < std::tie(b.record, b.paragraph);
  }
};

enum class Unit : uint8_t { kParagraph, kLine, kSentence };

class ParagraphsStep final : public StreamStep {
 public:
  ParagraphsStep(Unit unit, size_t words_min) : unit_(unit), words_min_(words_min) {}

  // Paragraphs, and how many of them each record has.
  size_t spill_count() const override { return 2; }

  void observe(std::span<const Record> records, Arena& /*arena*/, std::span<SpillBuffer> spills) const override {
    for (const Record& record : records) {
      uint64_t count = 0;
      for_each_paragraph(record.text, [&](std::string_view paragraph) {
        spills[0].append_row(ParagraphRow{hash_of(paragraph)});
        ++count;
      });
      spills[1].append_row(count);
    }
  }

  void decide(const ObservedStream& stream, Decisions& decisions) const override {
    const std::span<const uint64_t> counts = stream.spills[1].rows<uint64_t>();
    const std::span<const ParagraphRow> rows = stream.spills[0].rows<ParagraphRow>();
    ExternalSorter<PlacedParagraph, ByHash> groups(stream.scratch_folder, "paragraphs", stream.memory_bytes_max / 2);
    size_t row = 0;
    for (uint64_t record = 0; record < counts.size(); ++record) {
      for (uint64_t paragraph = 0; paragraph < counts[record]; ++paragraph, ++row) {
        if (rows[row].hash != 0) groups.add({rows[row].hash, record, paragraph});
      }
    }
    groups.sort();
    ExternalSorter<Copy, ByPlace> copies(stream.scratch_folder, "copies", stream.memory_bytes_max / 2);
    PlacedParagraph first{};
    for (PlacedParagraph next{}; groups.next(next);) {
      if (next.hash == first.hash) {
        copies.add({next.record, next.paragraph, first.record});
      } else {
        first = next;
      }
    }
    copies.sort();
    Copy copy{};
    for (bool has_copy = copies.next(copy); has_copy;) {
      const Copy head = copy;
      std::string removed;  // their numbers, 8 bytes each
      size_t count = 0;
      for (; has_copy && copy.record == head.record; has_copy = copies.next(copy), ++count) {
        removed.append(reinterpret_cast<const char*>(&copy.paragraph), sizeof copy.paragraph);
      }
      Decision decision;
      decision.record = head.record;
      decision.detail = fmt::format("{} of {}", count, counts[head.record]);
      decision.duplicate_of = head.original;
      if (count == counts[head.record]) {
        decision.reason = "all_paragraphs_repeated";
      } else {
        decision.action = Verdict::Action::kChange;
        decision.reason = "paragraphs_removed";
        decision.edit = std::move(removed);
        decision.duplicate_of.reset();
      }
      decisions.add(decision);
    }
  }

  void change(Record& record, std::string_view edit, Arena& arena) const override {
    std::string kept;
    uint64_t paragraph = 0;
    for_each_paragraph(record.text, [&](std::string_view text) {
      uint64_t removed = UINT64_MAX;
      if (!edit.empty()) std::memcpy(&removed, edit.data(), sizeof removed);
      if (paragraph++ == removed) {
        edit.remove_prefix(sizeof removed);
        return;
      }
      if (!kept.empty()) kept += separator();
      kept += text;
    });
    record.text = arena.copy(kept);
  }

 private:
  // Of a chat none: an answer without one of its paragraphs is another answer.
  template <typename Visit>
  void for_each_paragraph(std::string_view text, const Visit& visit) const {
    if (unit_ == Unit::kSentence) {
      for (const std::string_view sentence : sentences_of(text)) visit(sentence);
      return;
    }
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find(separator(), begin), text.size());
      const std::string_view paragraph = text.substr(begin, end - begin);
      if (!strip(paragraph).empty()) visit(paragraph);
      begin = end + separator().size();
    }
  }

  // A sentence has its white space with it.
  std::string_view separator() const {
    if (unit_ == Unit::kSentence) return "";
    return unit_ == Unit::kLine ? "\n" : "\n\n";
  }

  uint64_t hash_of(std::string_view paragraph) const {
    thread_local std::vector<uint64_t> words;
    hash_words(paragraph, WordNormalization::kWords, words);
    if (words.size() < words_min_) return 0;
    uint64_t hash = words.size();
    for (const uint64_t word : words) hash = mix_hash(hash * 0x9E3779B97F4A7C15u + word);
    return hash == 0 ? 1 : hash;
  }

  Unit unit_;
  size_t words_min_;
};

}  // namespace

Step make_paragraphs(StepOptions& options) {
  const auto unit = static_cast<Unit>(options.choice("unit", {"paragraph", "line", "sentence"}));
  const auto words_min = static_cast<size_t>(options.integer("words_min", 8, 1));
  return std::make_unique<const ParagraphsStep>(unit, words_min);
}

}  // namespace pelton::data
