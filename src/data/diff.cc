#include "data/diff.h"

#include <map>
#include <unordered_map>

#include "data/content_hash.h"
#include "data/scan.h"

namespace pelton::data {
namespace {

struct Entry {
  ContentHash content;
  uint64_t line_hash;
  uint64_t line_number;
  uint32_t file;
  bool is_found;
};

// An id that was made of the file's name and line says nothing about another file.
uint64_t key_of(const Record& record) {
  return record.has_own_id ? hash_bytes(record.id) : record.hash.low ^ record.hash.high;
}

using Entries = std::unordered_map<uint64_t, Entry>;

class Differ {
 public:
  Differ(std::span<const InputFile> before, std::span<const InputFile> after, size_t examples_max)
      : before_(before), after_(after), examples_max_(examples_max) {}

  DatasetDiff diff() {
    const auto count_bad = [&](const InputFile&, const BadLine&) { ++result_.bad_lines; };
    scan_records(
        before_, std::nullopt, [&](const ScannedRecord& scanned) { return remember(scanned.record); }, count_bad);
    scan_records(
        after_, std::nullopt, [&](const ScannedRecord& scanned) { return compare(scanned.record); }, count_bad);
    for (const auto& [key, entry] : entries_) result_.removed += entry.is_found ? 0 : 1;
    fill_in_before();
    return std::move(result_);
  }

 private:
  bool remember(const Record& record) {
    ++result_.records_before;
    const auto file = static_cast<uint32_t>(record.source->index);
    const bool is_new =
        entries_
            .try_emplace(key_of(record), Entry{record.hash, hash_bytes(record.line), record.line_number, file, false})
            .second;
    if (!is_new) ++result_.repeated_ids;
    return true;
  }

  bool compare(const Record& record) {
    ++result_.records_after;
    const auto found = entries_.find(key_of(record));
    if (found == entries_.end()) {
      ++result_.added;
      add_example("added", record, nullptr);
      return true;
    }
    Entry& entry = found->second;
    if (entry.is_found) {
      ++result_.repeated_ids;
      return true;
    }
    entry.is_found = true;
    if (entry.line_hash == hash_bytes(record.line)) {
      ++result_.same;
    } else if (entry.content == record.hash) {
      ++result_.fields;
      add_example("fields", record, &entry);
    } else {
      ++result_.content;
      add_example("content", record, &entry);
    }
    return true;
  }

  void add_example(const std::string& kind, const Record& record, const Entry* entry) {
    if (example_counts_[kind] == examples_max_) return;
    ++example_counts_[kind];
    if (entry != nullptr) wanted_[{entry->file, entry->line_number}] = result_.examples.size();
    result_.examples.push_back({kind, std::string(record.id), {}, std::string(record.line)});
  }

  // The lines of `before` were not kept: what examples need is read again.
  void fill_in_before() {
    size_t removed_left = std::min<uint64_t>(result_.removed, examples_max_);
    if (wanted_.empty() && removed_left == 0) return;
    scan_records(before_, std::nullopt, [&](const ScannedRecord& scanned) {
      const Record& record = scanned.record;
      const auto wanted = wanted_.find({static_cast<uint32_t>(record.source->index), record.line_number});
      if (wanted != wanted_.end()) {
        result_.examples[wanted->second].before = record.line;
        wanted_.erase(wanted);
      }
      if (removed_left > 0 && !entries_.at(key_of(record)).is_found) {
        --removed_left;
        result_.examples.push_back({"removed", std::string(record.id), std::string(record.line), {}});
      }
      return !wanted_.empty() || removed_left > 0;
    });
  }

  std::span<const InputFile> before_;
  std::span<const InputFile> after_;
  size_t examples_max_;
  Entries entries_;
  std::map<std::string, size_t> example_counts_;
  std::map<std::pair<uint32_t, uint64_t>, size_t> wanted_;  // file and line: the example that it completes
  DatasetDiff result_;
};

}  // namespace

DatasetDiff diff_datasets(std::span<const InputFile> before, std::span<const InputFile> after,
                          size_t examples_of_each_max) {
  return Differ(before, after, examples_of_each_max).diff();
}

}  // namespace pelton::data
