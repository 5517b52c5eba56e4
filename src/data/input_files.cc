#include "data/input_files.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>

#include "base/error.h"

namespace pelton::data {
namespace {

namespace fs = std::filesystem;

struct Ending {
  std::string_view text;
  FileKind kind;
};

constexpr Ending kEndings[] = {
    {".jsonl", FileKind::kJsonLines}, {".ndjson", FileKind::kJsonLines}, {".json", FileKind::kJsonLines},
    {".csv", FileKind::kCsv},         {".tsv", FileKind::kTsv},          {".txt", FileKind::kText},
    {".md", FileKind::kText},         {".parquet", FileKind::kParquet},
};

std::optional<FileKind> kind_of(std::string_view name) {
  for (const Ending& ending : kEndings) {
    if (name.ends_with(ending.text)) return ending.kind;
  }
  return std::nullopt;
}

std::unique_ptr<ByteStream> open_unpacked(const InputFile& file) {
  std::unique_ptr<ByteStream> bytes = open_file(file.source.path);
  if (file.packing == Packing::kGzip) return unpack_gzip(std::move(bytes));
  if (file.packing == Packing::kZstd) return unpack_zstd(std::move(bytes));
  return bytes;
}

// A .json may be an array or lines.
bool begins_as_array(const InputFile& file) {
  std::array<char, 256> start{};
  const size_t count = open_unpacked(file)->read(start);
  const std::string_view text(start.data(), count);
  const size_t first = text.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  return first != std::string_view::npos && text[first] == '[';
}

// Null where the ending is not known.
std::optional<InputFile> describe(const fs::path& path, const SourceFile& like) {
  const std::string whole_name = path.filename().string();
  const std::string_view name = without_packing(whole_name);
  InputFile file;
  file.source = like;
  file.source.path = path.string();
  file.packing = packing_of(whole_name);
  const std::optional<FileKind> kind = kind_of(name);
  if (!kind || (*kind == FileKind::kParquet && file.packing != Packing::kNone)) return std::nullopt;
  file.kind = *kind;
  file.bytes = fs::file_size(path);
  file.id = path.string();
  if (name.ends_with(".json") && begins_as_array(file)) file.kind = FileKind::kJsonArray;
  return file;
}

// All regular files below, sorted, so that the order is not the file system's.
std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(folder, fs::directory_options::follow_directory_symlink)) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

bool has_wildcard(std::string_view text) { return text.find_first_of("*?[") != std::string_view::npos; }

// Name by name, so that `*` does not cross a folder.
bool matches(fs::path::const_iterator pattern, fs::path::const_iterator pattern_end, fs::path::const_iterator path,
             fs::path::const_iterator path_end) {
  for (; pattern != pattern_end; ++pattern, ++path) {
    if (*pattern == "**") {
      const auto rest = std::next(pattern);
      for (auto start = path;; ++start) {
        if (matches(rest, pattern_end, start, path_end)) return true;
        if (start == path_end) return false;
      }
    }
    if (path == path_end || ::fnmatch(pattern->c_str(), path->c_str(), 0) != 0) return false;
  }
  return path == path_end;
}

std::vector<fs::path> glob(const fs::path& pattern) {
  fs::path folder;
  for (const fs::path& name : pattern) {
    if (has_wildcard(name.string())) break;
    folder /= name;
  }
  if (folder.empty()) folder = ".";
  std::vector<fs::path> paths;
  if (!fs::is_directory(folder)) return paths;
  const fs::path whole = pattern.is_absolute() || *pattern.begin() == "." ? pattern : "." / pattern;
  const fs::path root = folder.is_absolute() || *folder.begin() == "." ? folder : "." / folder;
  for (const fs::path& path : files_below(root)) {
    if (matches(whole.begin(), whole.end(), path.begin(), path.end())) paths.push_back(path.lexically_normal());
  }
  return paths;
}

std::vector<InputFile> find_matching(const std::string& pattern, const SourceFile& like) {
  std::vector<InputFile> files;
  const bool is_folder = fs::is_directory(pattern);
  if (is_folder || (!fs::exists(pattern) && has_wildcard(pattern))) {
    for (const fs::path& path : is_folder ? files_below(pattern) : glob(pattern)) {
      std::optional<InputFile> file = describe(path, like);
      if (!file) continue;
      if (is_folder) file->id = path.lexically_relative(pattern).string();
      files.push_back(*std::move(file));
    }
    if (files.empty()) {
      throw Error(
          ErrorCode::kNotFound,
          fmt::format("{}: no file there that ends in .jsonl, .json, .csv, .tsv, .parquet, .txt or .md", pattern));
    }
    return files;
  }
  if (!fs::exists(pattern)) throw Error(ErrorCode::kNotFound, fmt::format("{}: no such file", pattern));
  std::optional<InputFile> file = describe(pattern, like);
  if (!file) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: its name must end in .jsonl, .ndjson, .json, .csv, .tsv, .txt or .md, "
                            "with .gz or .zst behind where it is compressed, or in .parquet",
                            pattern));
  }
  files.push_back(*std::move(file));
  return files;
}

}  // namespace

std::vector<InputFile> find_input_files(const std::string& pattern, const SourceFile& like) {
  std::vector<InputFile> files = find_matching(pattern, like);
  number_files(files);
  return files;
}

std::vector<InputFile> find_input_files(const std::vector<std::string>& patterns) {
  std::vector<InputFile> files;
  for (const std::string& pattern : patterns) {
    for (InputFile& file : find_matching(pattern, {})) files.push_back(std::move(file));
  }
  number_files(files);
  return files;
}

void number_files(std::vector<InputFile>& files) {
  for (size_t i = 0; i < files.size(); ++i) files[i].source.index = i;
}

std::unique_ptr<ByteStream> open_lines(const InputFile& file) {
  if (file.kind == FileKind::kParquet) return lines_of_parquet(file.source.path);
  std::unique_ptr<ByteStream> bytes = open_unpacked(file);
  switch (file.kind) {
    case FileKind::kJsonArray:
      return lines_of_json_array(std::move(bytes));
    case FileKind::kCsv:
      return lines_of_csv(std::move(bytes), ',');
    case FileKind::kTsv:
      return lines_of_csv(std::move(bytes), '\t');
    case FileKind::kText:
      return line_of_text(std::move(bytes), file.id);
    case FileKind::kParquet:
    case FileKind::kJsonLines:
      break;
  }
  return bytes;
}

}  // namespace pelton::data
