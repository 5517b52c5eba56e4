#include "data/sketch_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/atomic_folder.h"
#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_text.h"
#include "data/append_file.h"
#include "data/running_hash.h"

namespace pelton::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOptionsFile = "options.json";
constexpr uint64_t kOptionsBytesMax = 1 << 16;
constexpr int kVersion = 1;  // of the files' layout and of how sketches are made

std::string options_text(const NearDuplicateOptions& options) {
  return to_json_text({{"version", kVersion},
                       {"ngram", options.ngram},
                       {"buckets", options.buckets},
                       {"hashes_per_bucket", options.hashes_per_bucket},
                       {"keys", options.keys_per_record()},
                       {"words", options.normalization == WordNormalization::kWords ? "plain" : "fineweb"},
                       {"seed", options.seed}}) +
         "\n";
}

std::vector<std::string> file_names(const NearDuplicateOptions& options) {
  std::vector<std::string> names = {"heads", "shingles", "ids", "id-ends"};
  for (int key = 0; key < options.keys_per_record(); ++key) names.push_back(fmt::format("keys-{}", key));
  return names;
}

template <typename T>
std::string_view bytes_of_rows(std::span<const T> rows) {
  return {reinterpret_cast<const char*>(rows.data()), rows.size_bytes()};
}

// A file that is written row by row.
class RowFile {
 public:
  explicit RowFile(const fs::path& path) : file_(path, 0) {}
  void add(std::string_view bytes) {
    buffer_.append(bytes);
    if (buffer_.size() >= kBufferBytes) flush();
  }
  template <typename T>
  void add_row(const T& row) {
    add({reinterpret_cast<const char*>(&row), sizeof row});
  }
  void close() {
    flush();
    file_.sync();
  }

 private:
  static constexpr size_t kBufferBytes = size_t{1} << 20;
  void flush() {
    file_.append(buffer_);
    buffer_.clear();
  }
  AppendFile file_;
  std::string buffer_;
};

std::string name_of(const SketchTable& records) {
  RunningHash hash;
  hash.add(bytes_of_rows(records.columns.heads));
  for (const std::span<const uint64_t> keys : records.columns.keys) hash.add(bytes_of_rows(keys));
  hash.add(records.ids);
  return hash.to_hex();
}

SketchTable table_of(std::span<const SpillFile> files, const fs::path& path) {
  const auto refuse = [&] {
    throw Error(ErrorCode::kCorruptFile, fmt::format("{}: this part of the index is damaged", path.string()));
  };
  SketchTable table;
  for (const SpillFile& file : files) {
    const bool is_text = &file == &files[2];
    const size_t row_bytes = &file == &files[0] ? sizeof(SketchColumns::Head) : &file == &files[1] ? 4 : 8;
    if (!is_text && file.bytes().size() % row_bytes != 0) refuse();
  }
  table.columns.heads = files[0].rows<SketchColumns::Head>();
  table.columns.shingles = files[1].rows<uint32_t>();
  table.ids = {reinterpret_cast<const char*>(files[2].bytes().data()), files[2].bytes().size()};
  table.id_ends = files[3].rows<uint64_t>();
  const size_t count = table.columns.heads.size();
  uint64_t shingle_count = 0;
  for (const SketchColumns::Head& head : table.columns.heads) {
    if (head.shingle_count > table.columns.shingles.size() - shingle_count) refuse();
    shingle_count += head.shingle_count;
  }
  if (shingle_count != table.columns.shingles.size() || table.id_ends.size() != count) refuse();
  if (!std::is_sorted(table.id_ends.begin(), table.id_ends.end())) refuse();
  if (count > 0 && table.id_ends.back() != table.ids.size()) refuse();
  for (const SpillFile& file : files.subspan(4)) {
    table.columns.keys.push_back(file.rows<uint64_t>());
    if (table.columns.keys.back().size() != count) refuse();
  }
  return table;
}

}  // namespace

SketchIndex::SketchIndex(fs::path folder, const NearDuplicateOptions& options, const SketchTable& records)
    : folder_(std::move(folder)), options_(options), own_name_(name_of(records)) {
  if (!fs::exists(folder_)) return;
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_directory() || name.starts_with('.') || name == own_name_) continue;
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  for (const fs::path& path : paths) {
    if (read_file(path / kOptionsFile, kOptionsBytesMax) != options_text(options_)) {
      throw Error(
          ErrorCode::kInvalidArgument,
          fmt::format("{} was made with other options (ngram, buckets, hashes_per_bucket, verify or not, words, "
                      "seed): {}",
                      folder_.string(), read_file(path / kOptionsFile, kOptionsBytesMax)));
    }
    Segment& segment = segments_.emplace_back();
    for (const std::string& name : file_names(options_)) segment.files.emplace_back(path / name);
    segment.table = table_of(segment.files, path);
    record_count_ += segment.table.columns.heads.size();
  }
}

std::string_view SketchIndex::id(uint64_t record) const {
  for (const Segment& segment : segments_) {
    if (record < segment.table.columns.heads.size()) return segment.table.id(record);
    record -= segment.table.columns.heads.size();
  }
  PELTON_UNREACHABLE();
}

SketchColumns SketchIndex::joined(const SketchTable& records, const fs::path& scratch_folder) {
  std::vector<const SketchTable*> tables;
  for (const Segment& segment : segments_) tables.push_back(&segment.table);
  tables.push_back(&records);
  const auto join = [&](const std::string& name, const auto& write) {
    const fs::path path = scratch_folder / name;
    RowFile file(path);
    for (const SketchTable* table : tables) write(*table, file);
    file.close();
    joined_.emplace_back(path);
  };
  join("joined-heads", [&](const SketchTable& table, RowFile& file) {
    for (SketchColumns::Head head : table.columns.heads) {
      if (&table != &records) head.rank = std::numeric_limits<uint64_t>::max();
      file.add_row(head);
    }
  });
  join("joined-shingles",
       [](const SketchTable& table, RowFile& file) { file.add(bytes_of_rows(table.columns.shingles)); });
  for (size_t key = 0; key < records.columns.keys.size(); ++key) {
    join(fmt::format("joined-keys-{}", key),
         [&](const SketchTable& table, RowFile& file) { file.add(bytes_of_rows(table.columns.keys[key])); });
  }
  SketchColumns columns;
  columns.heads = joined_[0].rows<SketchColumns::Head>();
  columns.shingles = joined_[1].rows<uint32_t>();
  for (size_t i = 2; i < joined_.size(); ++i) columns.keys.push_back(joined_[i].rows<uint64_t>());
  return columns;
}

void SketchIndex::add(const SketchTable& records, const std::vector<bool>& is_kept) const {
  fs::create_directories(folder_);
  AtomicFolder segment(folder_ / own_name_);
  RowFile heads(segment.path() / "heads"), shingles(segment.path() / "shingles"), ids(segment.path() / "ids"),
      id_ends(segment.path() / "id-ends");
  uint64_t shingle = 0;
  uint64_t id_end = 0;
  for (size_t record = 0; record < is_kept.size(); ++record) {
    const SketchColumns::Head& head = records.columns.heads[record];
    if (is_kept[record]) {
      heads.add_row(head);
      shingles.add(bytes_of_rows(records.columns.shingles.subspan(shingle, head.shingle_count)));
      ids.add(records.id(record));
      id_ends.add_row(id_end += records.id(record).size());
    }
    shingle += head.shingle_count;
  }
  for (RowFile* file : {&heads, &shingles, &ids, &id_ends}) file->close();
  for (size_t key = 0; key < records.columns.keys.size(); ++key) {
    RowFile keys(segment.path() / fmt::format("keys-{}", key));
    for (size_t record = 0; record < is_kept.size(); ++record) {
      if (is_kept[record]) keys.add_row(records.columns.keys[key][record]);
    }
    keys.close();
  }
  replace_file(segment.path() / kOptionsFile, options_text(options_));
  segment.commit();
}

}  // namespace pelton::data
