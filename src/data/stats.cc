#include "data/stats.h"

#include <algorithm>
#include <bit>
#include <unordered_map>
#include <unordered_set>

#include "data/chat_profile.h"
#include "data/content_hash.h"
#include "data/field_text.h"
#include "data/language.h"
#include "data/scan.h"
#include "data/text_excerpt.h"

namespace pelton::data {
namespace {

constexpr uint32_t kBitsOfBucket = 4;  // 16 buckets a power of two
constexpr size_t kSourcesMax = 1000;
constexpr size_t kRowsMax = 1000;  // of the coverage
constexpr size_t kExcerptBytes = 160;

uint32_t bucket_of(uint64_t value) {
  constexpr uint64_t kExact = uint64_t{2} << kBitsOfBucket;
  if (value < kExact) return static_cast<uint32_t>(value);
  const auto shift = static_cast<uint32_t>(std::bit_width(value)) - kBitsOfBucket - 1;
  return (shift << kBitsOfBucket) + static_cast<uint32_t>(value >> shift);
}

uint64_t start_of_bucket(uint32_t bucket) {
  constexpr uint32_t kExact = 2u << kBitsOfBucket;
  if (bucket < kExact) return bucket;
  const uint32_t shift = (bucket >> kBitsOfBucket) - 1;
  return static_cast<uint64_t>(bucket - (shift << kBitsOfBucket)) << shift;
}

uint64_t count_words(std::string_view text) {
  uint64_t count = 0;
  bool was_space = true;
  for (const char byte : text) {
    const bool is_space = byte == ' ' || (byte >= '\t' && byte <= '\r');
    count += was_space && !is_space ? 1 : 0;
    was_space = is_space;
  }
  return count;
}

std::string name_or_unknown(std::string_view name) { return name.empty() ? "unknown" : std::string(name); }

void count_source(const Record& record, NamedCounts& sources) {
  const Field* field = find_field(record, "source");
  const auto* own = field == nullptr ? nullptr : std::get_if<std::string_view>(&field->value);
  const std::string_view name = own == nullptr ? std::string_view(record.source->path) : *own;
  const auto found = sources.find(name);
  if (found != sources.end()) {
    ++found->second;
  } else {
    ++sources[sources.size() < kSourcesMax ? std::string(name) : "…"];
  }
}

void count_styles(const QuestionProfile& question, NamedCounts& styles) {
  const auto count = [&](std::string_view style, bool has_it) {
    if (has_it) ++styles[std::string(style)];
  };
  count("short", question.is_short);
  count("long", question.is_long);
  count("sloppy", question.is_sloppy);
  count("typos", question.has_typos);
  count("informal", question.is_informal);
  count("polite", question.is_polite);
}

// What a record's first question and answer are, for the map of what is covered.
struct FirstTurns {
  std::string_view opening = "no question";
  std::string_view form = "no answer";
};

FirstTurns count_turns(const Record& record, DatasetStats& stats) {
  FirstTurns first;
  bool has_question = false;
  bool has_steps = false;
  bool has_system = false;
  bool has_calls = false;
  bool has_reasoning = false;
  uint64_t answers = 0;
  for (const std::span<Message> turns : {record.messages, record.chosen}) {
    for (const Message& message : turns) {
      has_system |= message.role == Role::kSystem;
      has_calls |= !message.tool_calls.empty();
      has_reasoning |= !message.reasoning.empty() || message.content.find("<think>") != std::string_view::npos;
      if (message.role == Role::kUser) {
        const QuestionProfile question = profile_question(message.content);
        stats.words_per_question.add(count_words(message.content));
        count_styles(question, stats.question_styles);
        if (!has_question) {
          first.opening = question.opening;
          ++stats.question_kinds[std::string(question_kind_name(question.kind))];
          ++stats.openings[std::string(question.opening)];
        }
        has_question = true;
      }
      if (message.role != Role::kAssistant) continue;
      const std::string_view form = message.tool_calls.empty() ? answer_form(message.content) : "tool call";
      stats.words_per_answer.add(count_words(message.content));
      ++stats.answer_forms[std::string(form)];
      has_steps |= shows_steps(message.content);
      if (answers++ == 0) first.form = form;
    }
  }
  stats.with_system_prompt += has_system ? 1 : 0;
  stats.with_tool_calls += has_calls ? 1 : 0;
  stats.with_reasoning += has_reasoning ? 1 : 0;
  stats.with_steps += has_steps && !has_reasoning ? 1 : 0;
  stats.multi_turn += answers > 1 ? 1 : 0;
  stats.single_turn += answers == 1 ? 1 : 0;
  stats.turns_per_chat.add(record.messages.size() + record.chosen.size());
  return first;
}

void count_coverage(const Record& record, const FirstTurns& first, std::string_view by, DatasetStats& stats) {
  std::string row(first.opening);
  if (!by.empty()) {
    const Field* field = find_field(record, by);
    row = field == nullptr ? "none" : field_text(*field);
  }
  if (!stats.coverage.contains(row) && stats.coverage.size() >= kRowsMax) row = "…";
  ++stats.coverage[row][std::string(first.form)];
}

struct ByContentHash {
  size_t operator()(const ContentHash& hash) const { return hash.low; }
};
using ContentCounts = std::unordered_map<ContentHash, uint64_t, ByContentHash>;

std::vector<std::pair<ContentHash, uint64_t>> most_frequent(const ContentCounts& counts, size_t count_max) {
  std::vector<std::pair<ContentHash, uint64_t>> repeated;
  for (const auto& [hash, count] : counts) {
    if (count > 1) repeated.emplace_back(hash, count);
  }
  std::sort(repeated.begin(), repeated.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  repeated.resize(std::min(repeated.size(), count_max));
  return repeated;
}

json::object to_json(const NamedCounts& counts) {
  json::object object;
  for (const auto& [name, count] : counts) object[name] = count;
  return object;
}

json::object to_json(const GroupCounts& groups) {
  json::object object;
  for (const auto& [name, group] : groups) {
    if (group.count() == 0) continue;
    object[name] =
        json::object{{"mentions", group.count()},   {"texts", group.in_texts},   {"questions", group.in_questions},
                     {"answers", group.in_answers}, {"others", group.in_others}, {"positive", group.positive},
                     {"negative", group.negative}};
  }
  return object;
}

json::object to_json(const CountDistribution& distribution) {
  if (distribution.count() == 0) return {};
  return {{"min", distribution.min()},   {"p5", distribution.quantile(0.05)},  {"median", distribution.quantile(0.5)},
          {"mean", distribution.mean()}, {"p95", distribution.quantile(0.95)}, {"max", distribution.max()},
          {"sum", distribution.sum()}};
}

}  // namespace

void CountDistribution::add(uint64_t value) {
  ++buckets_[bucket_of(value)];
  ++count_;
  sum_ += value;
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
}

uint64_t CountDistribution::quantile(double part) const {
  const auto wanted = static_cast<uint64_t>(part * static_cast<double>(count_));
  uint64_t seen = 0;
  for (const auto& [bucket, count] : buckets_) {
    seen += count;
    if (seen > wanted) return start_of_bucket(bucket);
  }
  return max_;
}

std::vector<uint64_t> CountDistribution::by_powers_of_two() const {
  std::vector<uint64_t> powers;
  for (const auto& [bucket, count] : buckets_) {
    const uint64_t start = start_of_bucket(bucket);
    const size_t power = start == 0 ? 0 : static_cast<size_t>(std::bit_width(start)) - 1;
    if (powers.size() <= power) powers.resize(power + 1);
    powers[power] += count;
  }
  return powers;
}

DatasetStats collect_stats(std::span<const InputFile> files, const StatsOptions& options) {
  DatasetStats stats;
  stats.file_count = files.size();
  stats.groups = all_groups();
  ContentCounts contents;
  std::unordered_set<uint64_t> ids;
  const auto take = [&](const ScannedRecord& scanned) {
    const Record& record = scanned.record;
    ++stats.records;
    stats.bytes += record.line.size() + 1;
    ++stats.formats[std::string(format_name(record.format))];
    ++stats.licenses[name_or_unknown(license_of(record))];
    ++stats.splits[name_or_unknown(split_of(record))];
    count_source(record, stats.sources);
    stats.synthetic += is_synthetic(record) ? 1 : 0;
    uint64_t bytes = 0;
    uint64_t words = 0;
    for_each_text(record, [&](std::string_view text) {
      bytes += text.size();
      words += count_words(text);
    });
    stats.bytes_per_record.add(bytes);
    stats.words_per_record.add(words);
    FirstTurns first{.opening = "text", .form = "text"};
    if (record.kind != RecordKind::kText) first = count_turns(record, stats);
    count_coverage(record, first, options.coverage_by, stats);
    ++stats.languages[std::string(detect_language(whole_text(record, scanned.arena)).code)];
    count_mentions(record, stats.groups);
    if (++contents[record.hash] > 1) ++stats.duplicates;
    if (record.has_own_id && !ids.insert(hash_bytes(record.id)).second) ++stats.repeated_ids;
    return true;
  };
  scan_records(files, options.format, take, [&](const InputFile&, const BadLine&) { ++stats.bad_lines; });

  const auto top = most_frequent(contents, options.top_duplicates_max);
  if (top.empty()) return stats;
  for (const auto& [hash, count] : top) stats.top_duplicates.push_back({count, {}, {}});
  size_t missing = top.size();
  scan_records(files, options.format, [&](const ScannedRecord& scanned) {
    for (size_t i = 0; i < top.size(); ++i) {
      if (top[i].first != scanned.record.hash || !stats.top_duplicates[i].first_id.empty()) continue;
      stats.top_duplicates[i].first_id = scanned.record.id;
      stats.top_duplicates[i].excerpt = beginning_of(whole_text(scanned.record, scanned.arena), kExcerptBytes);
      --missing;
    }
    return missing > 0;
  });
  return stats;
}

json::object to_json(const DatasetStats& stats) {
  json::array duplicates;
  for (const DuplicateGroup& group : stats.top_duplicates) {
    duplicates.push_back(
        json::object{{"count", group.count}, {"first_id", group.first_id}, {"excerpt", group.excerpt}});
  }
  json::object coverage;
  for (const auto& [row, forms] : stats.coverage) coverage[row] = to_json(forms);
  return {{"files", stats.file_count},
          {"bytes", stats.bytes},
          {"records", stats.records},
          {"bad_lines", stats.bad_lines},
          {"formats", to_json(stats.formats)},
          {"licenses", to_json(stats.licenses)},
          {"splits", to_json(stats.splits)},
          {"sources", to_json(stats.sources)},
          {"synthetic", stats.synthetic},
          {"with_system_prompt", stats.with_system_prompt},
          {"with_tool_calls", stats.with_tool_calls},
          {"with_reasoning", stats.with_reasoning},
          {"with_steps", stats.with_steps},
          {"multi_turn", stats.multi_turn},
          {"single_turn", stats.single_turn},
          {"languages", to_json(stats.languages)},
          {"question_kinds", to_json(stats.question_kinds)},
          {"openings", to_json(stats.openings)},
          {"question_styles", to_json(stats.question_styles)},
          {"answer_forms", to_json(stats.answer_forms)},
          {"coverage", std::move(coverage)},
          {"groups", to_json(stats.groups)},
          {"bytes_per_record", to_json(stats.bytes_per_record)},
          {"words_per_record", to_json(stats.words_per_record)},
          {"turns_per_chat", to_json(stats.turns_per_chat)},
          {"words_per_question", to_json(stats.words_per_question)},
          {"words_per_answer", to_json(stats.words_per_answer)},
          {"duplicates", stats.duplicates},
          {"repeated_ids", stats.repeated_ids},
          {"top_duplicates", std::move(duplicates)}};
}

}  // namespace pelton::data
