// What a data set is made of: counts, lengths, what repeats.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/group_mentions.h"
#include "data/input_files.h"

namespace pelton::data {

// A distribution of counts, in buckets of a sixteenth of a power of two: quantiles are exact below 32 and within 6 %
// above.
class CountDistribution {
 public:
  void add(uint64_t value);
  uint64_t count() const { return count_; }
  uint64_t sum() const { return sum_; }
  uint64_t min() const { return min_; }
  uint64_t max() const { return max_; }
  double mean() const { return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_); }
  // The smallest value of the bucket in which the share `part` of all is reached.
  uint64_t quantile(double part) const;
  // How many lie from 2^i to 2^(i+1) - 1, with zero in the first; up to the last that is not empty.
  std::vector<uint64_t> by_powers_of_two() const;

 private:
  std::map<uint32_t, uint64_t> buckets_;
  uint64_t count_ = 0;
  uint64_t sum_ = 0;
  uint64_t min_ = UINT64_MAX;
  uint64_t max_ = 0;
};

// Records that say the same.
struct DuplicateGroup {
  uint64_t count = 0;
  std::string first_id;
  std::string excerpt;
};

using NamedCounts = std::map<std::string, uint64_t, std::less<>>;

struct StatsOptions {
  std::optional<Format> format;  // none: found for each record
  size_t top_duplicates_max = 10;
  // What the rows of DatasetStats::coverage are: a field of the records (the topic that a step has noted, for one).
  // Empty: what the first question begins with.
  std::string coverage_by;
};

struct DatasetStats {
  uint64_t file_count = 0;
  uint64_t bytes = 0;  // of lines that are records
  uint64_t records = 0;
  uint64_t bad_lines = 0;
  NamedCounts formats;
  NamedCounts licenses;  // "unknown" where there is none
  NamedCounts splits;
  NamedCounts sources;  // the field `source`, else the file; at most 1000, the others as "…"
  uint64_t synthetic = 0;
  uint64_t with_system_prompt = 0;
  uint64_t with_tool_calls = 0;
  uint64_t with_reasoning = 0;
  uint64_t with_steps = 0;   // answers that work step by step, without being marked as reasoning
  uint64_t multi_turn = 0;   // more than one answer
  uint64_t single_turn = 0;  // one
  NamedCounts languages;     // of the whole record: ISO 639-1; "un" where it cannot be told
  // Of chats, as data/chat_profile.h has them.
  NamedCounts question_kinds;   // of each first question
  NamedCounts openings;         // … and what it begins with
  NamedCounts question_styles;  // of all questions: "short", "sloppy", …; one may have several
  NamedCounts answer_forms;     // of all answers
  // Form of the first answer, by opening or by StatsOptions::coverage_by: at most 1000 rows, the others as "…". Of
  // plain texts the form is "text".
  std::map<std::string, NamedCounts, std::less<>> coverage;
  GroupCounts groups;  // people that are spoken of
  CountDistribution bytes_per_record;
  CountDistribution words_per_record;
  CountDistribution turns_per_chat;
  CountDistribution words_per_question;  // user's messages
  CountDistribution words_per_answer;    // assistant's messages
  uint64_t duplicates = 0;               // records whose content another had before
  uint64_t repeated_ids = 0;
  std::vector<DuplicateGroup> top_duplicates;
};

// Reads all. Holds 32 bytes or so for each different record. Errors: kNotFound, kIo.
DatasetStats collect_stats(std::span<const InputFile> files, const StatsOptions& options);

json::object to_json(const DatasetStats& stats);

}  // namespace pelton::data
