// Drops records that hold items of evaluation sets.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "data/contamination.h"
#include "data/step.h"

namespace pelton::data {
namespace {

constexpr uint64_t kFileBytesMax = uint64_t{4} << 30;
constexpr size_t kShownBytesMax = 200;

// The texts that an item's fields hold: those named, or else all that are strings and no id.
std::string text_of_item(const json::object& item, const std::vector<std::string>& fields) {
  std::string text;
  for (const auto& [key, value] : item) {
    const bool is_wanted = fields.empty() ? key != "id" : std::find(fields.begin(), fields.end(), key) != fields.end();
    if (is_wanted && value.is_string()) text += std::string(value.get_string()) + "\n";
  }
  return text;
}

class EvaluationReader {
 public:
  EvaluationReader(ContaminationIndex& index, std::vector<std::string> fields)
      : index_(index), fields_(std::move(fields)) {}

  // A JSON array of objects (or strings), JSON lines of the same, or in any other file a text in each line.
  void read(const std::string& path) {
    name_ = std::filesystem::path(path).filename().string();
    const std::string contents = read_file(path, kFileBytesMax);
    const std::string extension = std::filesystem::path(path).extension().string();
    if (extension == ".json") {
      const json::value all = parse_json(contents, path, {.bytes_max = kFileBytesMax});
      if (!all.is_array())
        throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: expected an array of items", path));
      size_t number = 0;
      for (const json::value& item : all.get_array()) add(item, ++number, path);
      return;
    }
    size_t number = 0;
    for (size_t begin = 0; begin < contents.size();) {
      const size_t end = std::min(contents.find('\n', begin), contents.size());
      const std::string_view line = std::string_view(contents).substr(begin, end - begin);
      begin = end + 1;
      ++number;
      if (line.empty()) continue;
      if (extension == ".jsonl") {
        add(parse_json(line, fmt::format("{}:{}", path, number)), number, path);
      } else {
        index_.add(fmt::format("{}:{}", name_, number), line);
      }
    }
  }

 private:
  void add(const json::value& item, size_t number, const std::string& path) {
    std::string id = fmt::format("{}:{}", name_, number);
    if (item.is_string()) {
      index_.add(std::move(id), std::string_view(item.get_string()));
      return;
    }
    if (!item.is_object()) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("{}: item {}: expected an object or a string", path, number));
    }
    const json::object& object = item.get_object();
    if (const json::value* own = object.if_contains("id"); own != nullptr && own->is_string()) id = own->get_string();
    index_.add(std::move(id), text_of_item(object, fields_));
  }

  ContaminationIndex& index_;
  std::vector<std::string> fields_;
  std::string name_;
};

class DecontaminateStep final : public RecordStep {
 public:
  explicit DecontaminateStep(ContaminationIndex index) : index_(std::move(index)) {}

  Verdict apply(Record& record, Arena& arena) const override {
    const std::optional<Contamination> found = index_.find(whole_text(record, arena));
    if (!found) return Verdict::keep();
    std::string_view shown = found->match;
    size_t end = std::min(shown.size(), kShownBytesMax);
    while (end < shown.size() && (static_cast<unsigned char>(shown[end]) & 0xC0) == 0x80) --end;
    shown = shown.substr(0, end);
    return Verdict::drop("evaluation_item",
                         fmt::format("{}, {:.0f} % of it: {}", found->item, 100 * found->overlap, shown));
  }

 private:
  ContaminationIndex index_;
};

}  // namespace

Step make_decontaminate(StepOptions& options) {
  ContaminationOptions contamination;
  contamination.ngram = static_cast<int>(options.integer("ngram", contamination.ngram, 1, 1000));
  contamination.words_min = static_cast<int>(options.integer("words_min", contamination.words_min, 1, 1000));
  contamination.overlap_min = options.number("overlap", contamination.overlap_min, 0, 1);
  ContaminationIndex index(contamination);
  const std::vector<std::string> paths = options.strings("evaluation");
  if (paths.empty()) options.fail("evaluation", "a file with the items of an evaluation set, or a list of such files");
  EvaluationReader reader(index, options.strings("fields"));
  for (const std::string& path : paths) reader.read(path);
  if (index.item_count() == 0) {
    options.fail("evaluation", fmt::format("an item of at least {} words", contamination.words_min));
  }
  return std::make_unique<const DecontaminateStep>(std::move(index));
}

}  // namespace pelton::data
