// Word lists: what people or models should not have said (slurs, secrets' names), and what answers say in place of
// what was asked for (refusals, hedging, advice that nobody wanted). Drops the record, masks the words or notes them.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>

#include "base/check.h"
#include "base/error.h"
#include "data/phrase_matcher.h"
#include "data/record_part.h"
#include "data/replace_spans.h"
#include "data/step.h"

namespace pelton::data {
namespace {

enum class PhraseAction { kDrop, kMask, kNote };
constexpr std::string_view kMask = "[…]";

struct PhraseOptions {
  PhraseAction action = PhraseAction::kDrop;
  RecordPart part = RecordPart::kAnywhere;
  int64_t tolerated = 0;     // so many are no reason
  int64_t within_words = 0;  // of a text's beginning; 0: anywhere
  std::string field;
};

class PhrasesStep final : public RecordStep {
 public:
  PhrasesStep(PhraseMatcher matcher, PhraseOptions options)
      : matcher_(std::move(matcher)), options_(std::move(options)) {}

  Verdict apply(Record& record, Arena& arena) const override {
    int64_t count = 0;
    std::string first;  // where the first one was
    const auto visit = [&](std::string_view& text, std::string_view where) {
      std::vector<PhraseMatch> matches = matcher_.find(text);
      if (options_.within_words > 0) {
        std::erase_if(matches, [&](const PhraseMatch& match) {
          return match.first_word >= static_cast<size_t>(options_.within_words);
        });
      }
      if (matches.empty()) return;
      if (count == 0) first = fmt::format("\"{}\" in {}", matcher_.phrase(matches.front().phrase), where);
      count += static_cast<int64_t>(matches.size());
      if (options_.action == PhraseAction::kMask) {
        text = arena.copy(replace_spans(text, matches, [](const PhraseMatch&) { return kMask; }));
      }
    };
    if (record.kind == RecordKind::kText && options_.part == RecordPart::kAnywhere) visit(record.text, "the text");
    for (const std::span<Message> turns : {record.messages, record.chosen, record.rejected}) {
      for (Message& message : turns) {
        if (!holds(options_.part, message.role)) continue;
        const std::string_view where = message.role == Role::kAssistant ? "an answer"
                                       : message.role == Role::kUser    ? "a question"
                                                                        : "another turn";
        visit(message.content, where);
      }
    }
    if (count <= (options_.action == PhraseAction::kDrop ? options_.tolerated : 0)) return Verdict::keep();
    std::string detail = count == 1 ? first : fmt::format("{}, and {} more", first, count - 1);
    switch (options_.action) {
      case PhraseAction::kDrop:
        return Verdict::drop("listed_phrase", std::move(detail));
      case PhraseAction::kMask:
        return Verdict::change("phrases_masked", std::move(detail));
      case PhraseAction::kNote:
        set_field(record, arena.copy(options_.field), static_cast<double>(count), arena);
        return Verdict::change("phrases_noted", std::move(detail));
    }
    PELTON_UNREACHABLE();
  }

 private:
  PhraseMatcher matcher_;
  PhraseOptions options_;
};

// One a line; empty lines and those that begin with # are none.
std::vector<std::string> read_phrases(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw Error(ErrorCode::kNotFound, fmt::format("phrases: cannot open {}", path));
  std::vector<std::string> phrases;
  for (std::string line; std::getline(file, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty() && line.front() != '#') phrases.push_back(line);
  }
  return phrases;
}

}  // namespace

Step make_phrases(StepOptions& options) {
  std::vector<std::string> phrases = options.strings("phrases");
  for (const std::string& path : options.strings("files")) {
    const std::vector<std::string> of_file = read_phrases(path);
    phrases.insert(phrases.end(), of_file.begin(), of_file.end());
  }
  for (const std::string& name : options.strings("lists")) {
    const std::vector<std::string> list = phrase_list(name);
    if (list.empty()) options.fail("lists", fmt::format("a list of: {}", fmt::join(phrase_list_names(), ", ")));
    phrases.insert(phrases.end(), list.begin(), list.end());
  }
  if (phrases.empty()) options.fail("phrases", "words or phrases, here, in `files` or in built-in `lists`");
  PhraseOptions made;
  made.part = part_option(options);
  made.action = static_cast<PhraseAction>(options.choice("action", {"drop", "mask", "note"}));
  made.tolerated = options.integer("tolerated", 0, 0);
  made.within_words = options.integer("within_words", 0, 0);
  made.field = options.string("field", "listed_phrases");
  return std::make_unique<const PhrasesStep>(PhraseMatcher(std::move(phrases)), std::move(made));
}

}  // namespace pelton::data
