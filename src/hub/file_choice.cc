#include "hub/file_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/ascii.h"
#include "io/gguf_part_name.h"
#include "io/hub/cached_model.h"
#include "io/hub/glob.h"

namespace pelton {
namespace {

constexpr std::string_view kPickles[] = {".bin", ".pt",     ".pth",  ".ckpt", ".pkl", ".pickle",
                                         ".p",   ".joblib", ".dill", ".mar",  ".nemo"};
constexpr std::string_view kPrograms[] = {".py", ".pyc", ".so", ".sh", ".exe", ".dll", ".h5", ".keras"};

// What a model is run with, at the top of its repository: small files of data.
constexpr std::string_view kModelFiles[] = {"*.json",    "*.jinja",  "*.txt",    "*.model", "*.tiktoken", "*.spm",
                                            "README.md", "LICENSE*", "LICENCE*", "NOTICE*", "USE_POLICY*"};
// In folders: the parts of sentence-transformers models, more chat templates.
constexpr std::string_view kModelFolders[] = {"[0-9]_*/config.json", "[0-9]_*/*.safetensors",
                                              "additional_chat_templates/*.jinja"};
constexpr std::string_view kDataFiles[] = {"*.parquet",   "*.jsonl",   "*.ndjson",  "*.jsonl.gz",
                                           "*.jsonl.zst", "*.json.gz", "*.json.zst"};
constexpr std::string_view kCardFiles[] = {"README.md", "LICENSE*", "LICENCE*", "NOTICE*"};

constexpr size_t kNamesShownMax = 30;

bool is_at_top(std::string_view path) { return path.find('/') == std::string_view::npos; }

template <size_t N>
bool ends_with_any(std::string_view path, const std::string_view (&endings)[N]) {
  const std::string name = ascii_lower(path);
  return std::any_of(std::begin(endings), std::end(endings), [&](auto ending) { return name.ends_with(ending); });
}

template <size_t N>
bool matches_any(std::string_view path, const std::string_view (&globs)[N]) {
  return std::any_of(std::begin(globs), std::end(globs), [&](auto glob) { return glob_matches(glob, path); });
}

std::string size_text(int64_t bytes) {
  return bytes < (1 << 20) ? fmt::format("{} kB", (bytes + 999) / 1000)
                           : fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

std::string listed(const std::vector<HubFile>& files) {
  std::string text;
  for (size_t i = 0; i < std::min(files.size(), kNamesShownMax); ++i) {
    text += fmt::format("{}{} ({})", i == 0 ? "" : ", ", files[i].path, size_text(files[i].size_bytes));
  }
  if (files.size() > kNamesShownMax) text += fmt::format(", … ({} in all)", files.size());
  return text.empty() ? "no files" : text;
}

constexpr const char* kWayOut =
    "Reading such a file runs the code that its maker put into it. Ways out: a revision with safetensors (the hub's "
    "converter opens pull requests with them: `pelton pull hf:{0}@refs/pr/N`, N as listed under \"Community\" of the "
    "model's page), a repository of the same model as safetensors or GGUF, or a conversion on a machine that you can "
    "afford to lose";

[[noreturn]] void refuse_pickles(const HubName& name, const std::vector<HubFile>& files) {
  throw Error(ErrorCode::kUnsupported,
              fmt::format("{} has its weights in a format that can run code: {}. {}", name.repository, listed(files),
                          fmt::format(kWayOut, name.repository)));
}

std::vector<HubFile> with_extension(const std::vector<HubFile>& files, std::string_view ending) {
  std::vector<HubFile> found;
  for (const HubFile& file : files) {
    if (ascii_lower(file.path).ends_with(ending)) found.push_back(file);
  }
  return found;
}

// Splits off what may not come.
std::vector<HubFile> take_out_code(std::vector<HubFile>& files) {
  std::vector<HubFile> code;
  const auto is_code = [](const HubFile& file) { return can_run_code(file.path); };
  std::copy_if(files.begin(), files.end(), std::back_inserter(code), is_code);
  files.erase(std::remove_if(files.begin(), files.end(), is_code), files.end());
  return code;
}

void note_code(const std::vector<HubFile>& code, FileChoice& choice) {
  std::vector<std::string> names;
  for (const HubFile& file : code) names.push_back(file.path);
  if (names.size() > 3) {
    const size_t count = names.size();
    names.resize(3);
    names.push_back(fmt::format("… ({} files)", count));
  }
  if (!code.empty()) choice.notes.push_back(fmt::format("left out, since it can run code: {}", fmt::join(names, ", ")));
}

void sort_by_path(std::vector<HubFile>& files) {
  std::sort(files.begin(), files.end(), [](const HubFile& a, const HubFile& b) { return a.path < b.path; });
}

FileChoice choose_by_glob(const HubName& name, const std::vector<HubFile>& all) {
  std::vector<std::string> paths;
  for (const HubFile& file : all) paths.push_back(file.path);
  const std::vector<std::string> matches = matching_paths(name.glob, paths);
  const std::set<std::string> chosen(matches.begin(), matches.end());
  std::set<std::string, std::less<>> chosen_stems;  // one part of a split model is of no use alone
  for (const std::string& path : matches) {
    if (const auto part = parse_gguf_part_name(path)) chosen_stems.emplace(part->stem);
  }
  FileChoice choice;
  for (const HubFile& file : all) {
    const auto part = parse_gguf_part_name(file.path);
    if (chosen.contains(file.path) || (part && chosen_stems.contains(part->stem))) choice.files.push_back(file);
  }
  if (choice.files.empty()) {
    throw Error(ErrorCode::kNotFound, fmt::format("no file of {} at revision {} matches {}; it has {}", name.repository,
                                                  name.revision_or_main(), name.glob, listed(all)));
  }
  const std::vector<HubFile> code = take_out_code(choice.files);
  if (choice.files.empty()) refuse_pickles(name, code);
  note_code(code, choice);
  return choice;
}

// The parts of one split file are one model.
std::map<std::string, std::vector<HubFile>> group_models(const std::vector<HubFile>& ggufs) {
  std::map<std::string, std::vector<HubFile>> models;
  for (const HubFile& file : ggufs) {
    if (file.path.substr(file.path.rfind('/') + 1).starts_with("mmproj")) continue;
    const auto part = parse_gguf_part_name(file.path);
    models[part ? std::string(part->stem) : file.path].push_back(file);
  }
  return models;
}

std::vector<HubFile> only_gguf_model(const HubName& name, const std::vector<HubFile>& ggufs) {
  const auto models = group_models(ggufs);
  if (models.size() == 1) return models.begin()->second;
  const std::string example = ggufs.front().path;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("{} has {} GGUF models; say which, as in `pelton pull 'hf:{}:{}'`. It has {}",
                          name.repository, models.size(), name.repository, example, listed(ggufs)));
}

// Weights in Hugging Face's names where there are such: some repositories hold the same again under other names.
std::vector<HubFile> safetensors_of(const std::vector<HubFile>& all) {
  std::vector<HubFile> named;
  std::vector<HubFile> other;
  for (const HubFile& file : all) {
    if (!is_at_top(file.path) || !file.path.ends_with(".safetensors")) continue;
    const bool is_named = file.path == "model.safetensors" || glob_matches("model-*-of-*.safetensors", file.path);
    (is_named ? named : other).push_back(file);
  }
  return named.empty() ? other : named;
}

FileChoice choose_model(const HubName& name, const std::vector<HubFile>& all) {
  FileChoice choice;
  for (const HubFile& file : all) {
    const bool is_small_file = is_at_top(file.path) && matches_any(file.path, kModelFiles);
    if (is_small_file || matches_any(file.path, kModelFolders)) choice.files.push_back(file);
  }
  std::vector<HubFile> weights = safetensors_of(all);
  if (weights.empty()) {
    const std::vector<HubFile> ggufs = with_extension(all, ".gguf");
    if (!ggufs.empty()) weights = only_gguf_model(name, ggufs);
  }
  std::vector<HubFile> rest = all;
  const std::vector<HubFile> code = take_out_code(rest);
  if (weights.empty()) {
    std::vector<HubFile> pickles;
    for (const HubFile& file : code) {
      if (ends_with_any(file.path, kPickles)) pickles.push_back(file);
    }
    if (!pickles.empty()) refuse_pickles(name, pickles);
    throw Error(
        ErrorCode::kNotFound,
        fmt::format("{} at revision {} has no weights as safetensors or GGUF; it has {}. A pattern after ':' takes "
                    "other files, as in 'hf:{}:*.json'",
                    name.repository, name.revision_or_main(), listed(all), name.repository));
  }
  take_out_code(choice.files);
  choice.files.insert(choice.files.end(), weights.begin(), weights.end());
  note_code(code, choice);
  return choice;
}

FileChoice choose_data(const HubName& name, const std::vector<HubFile>& all) {
  FileChoice choice;
  size_t data_count = 0;
  for (const HubFile& file : all) {
    const bool is_data = matches_any(ascii_lower(file.path), kDataFiles);
    data_count += is_data ? 1 : 0;
    if (is_data || (is_at_top(file.path) && matches_any(file.path, kCardFiles))) choice.files.push_back(file);
  }
  if (data_count == 0) {
    throw Error(
        ErrorCode::kNotFound,
        fmt::format("{} at revision {} has no Parquet and no JSONL files; it has {}. The hub keeps most data sets as "
                    "Parquet too: `pelton pull dataset:hf:{}@refs/convert/parquet`; a pattern after ':' takes other "
                    "files",
                    name.repository, name.revision_or_main(), listed(all), name.repository));
  }
  std::vector<HubFile> rest = all;
  note_code(take_out_code(rest), choice);
  return choice;
}

}  // namespace

bool can_run_code(std::string_view path) { return ends_with_any(path, kPickles) || ends_with_any(path, kPrograms); }

FileChoice choose_files(const HubName& name, const std::vector<HubFile>& all) {
  FileChoice choice = !name.glob.empty()               ? choose_by_glob(name, all)
                      : name.kind == HubKind::kDataset ? choose_data(name, all)
                                                       : choose_model(name, all);
  sort_by_path(choice.files);
  choice.files.erase(std::unique(choice.files.begin(), choice.files.end(),
                                 [](const HubFile& a, const HubFile& b) { return a.path == b.path; }),
                     choice.files.end());
  return choice;
}

}  // namespace pelton
