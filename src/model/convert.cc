#include "model/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "base/atomic_folder.h"
#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/temporary_name.h"
#include "io/hf_folder.h"
#include "io/path_exists.h"
#include "io/safetensors.h"
#include "model/config_writer.h"
#include "model/model.h"
#include "model/tensor_recoder.h"
#include "quant/blocks.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kWeightsFile = "model.safetensors";

[[noreturn]] void refuse(const fs::path& destination, std::string_view reason) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format("{} {}", destination.string(), reason));
}

// "out/" is the folder "out".
fs::path without_slash(const fs::path& path) { return path.has_filename() ? path : path.parent_path(); }

// Replacing a folder removes all that is in it: only where that is a model and nothing else.
void check_replaceable_folder(const ConvertOptions& options, const fs::path& folder) {
  std::error_code ignored;
  if (fs::is_empty(folder, ignored)) return;
  if (!options.replaces) refuse(folder, "is there already; --force replaces it");
  if (!path_exists(folder / "config.json")) {
    refuse(folder, "is not replaced: it has no config.json, so it is no model's folder");
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (!entry.is_regular_file(ignored) && !entry.is_symlink(ignored)) {
      refuse(folder, fmt::format("is not replaced: it holds {}, which is no file of a model",
                                 entry.path().filename().string()));
    }
    if (fs::equivalent(entry.path(), options.source, ignored)) refuse(folder, "is not replaced: the source is in it");
  }
  if (fs::equivalent(folder, options.source, ignored)) refuse(folder, "is the source");
}

void check_destination(const ConvertOptions& options, bool is_gguf) {
  const fs::path destination = without_slash(options.destination);
  if (destination.empty()) throw Error(ErrorCode::kInvalidArgument, "no destination given");
  const fs::path extension = destination.extension();
  for (const char* other : {".safetensors", ".bin", ".pt", ".pth", ".json", ".onnx"}) {
    if (extension == other) refuse(destination, "names neither a .gguf file nor a folder");
  }
  if (!path_exists(destination)) return;
  const bool is_folder = fs::is_directory(destination);
  if (is_gguf && is_folder) refuse(destination, "is a folder; a GGUF file cannot take its place");
  if (!is_gguf && !is_folder) refuse(destination, "is a file; a folder cannot take its place");
  if (is_folder) return check_replaceable_folder(options, destination);
  if (!options.replaces) refuse(destination, "is there already; --force replaces it");
}

void check_room(const fs::path& destination, uint64_t needed_bytes) {
  const fs::path around = folder_around(destination);
  std::error_code error;
  const fs::space_info space = fs::space(around, error);
  if (error || space.available >= needed_bytes) return;  // a file system that does not say is tried
  throw Error(ErrorCode::kResourceExhausted,
              fmt::format("{} needs {} bytes, but only {} are free in {}", destination.string(), needed_bytes,
                          space.available, fs::absolute(around).string()));
}

std::vector<TensorEntry> targets_of(const ConversionPlan& plan) {
  std::vector<TensorEntry> entries;
  for (const PlannedTensor& tensor : plan.tensors) entries.push_back(tensor.target);
  return entries;
}

int64_t size_bytes(const TensorEntry& entry) { return bytes_of(entry.type, entry.shape.element_count()); }

// How far what is written lies from what was meant.
class WrittenError {
 public:
  // A piece of rows of `source`, in its order, as encoded.
  void add(const Tensor& source, ElementType type, int64_t first_element, std::span<const std::byte> piece) {
    const int64_t count =
        static_cast<int64_t>(piece.size()) / bytes_of(type, info(type).block_elements) * info(type).block_elements;
    values_.resize(static_cast<size_t>(count));
    decode_function(type)(piece.data(), values_.data(), count);
    const float* meant = source.floats() + first_element;
    for (int64_t i = 0; i < count; ++i) {
      const double value = meant[i];
      const double off = static_cast<double>(values_[static_cast<size_t>(i)]) - value;
      squares_ += value * value;
      off_squares_ += off * off;
    }
    count_ = count;
  }
  int64_t last_count() const { return count_; }
  double relative() const { return squares_ == 0 ? 0 : std::sqrt(off_squares_ / squares_); }

 private:
  std::vector<float> values_;
  double squares_ = 0;
  double off_squares_ = 0;
  int64_t count_ = 0;
};

// Hands all tensors' data, in order, to `append`. Returns the error of the changed weights.
double write_tensors(Executor& executor, const ConversionPlan& plan, const ConvertOptions& options,
                     FunctionRef<void(std::span<const std::byte>)> append) {
  ConvertProgress progress;
  WrittenError error;
  for (const PlannedTensor& tensor : plan.tensors) progress.bytes_total += size_bytes(tensor.target);
  for (const PlannedTensor& tensor : plan.tensors) {
    progress.tensor = tensor.target.name;
    for (const PlannedRows& part : tensor.parts) {
      const TensorRecoding recoding{.name = tensor.target.name,
                                    .source = part.source,
                                    .type = tensor.target.type,
                                    .order = part.order,
                                    .head_width = plan.head_width};
      // Of rows that change their order the pieces would have to be sorted back: the others tell enough.
      const bool is_measured = options.changed != nullptr && part.source.is_heap() &&
                               part.source.type() == ElementType::kF32 && part.order == RowOrder::kSame;
      int64_t element = 0;
      recode_tensor(executor, recoding, [&](std::span<const std::byte> piece) {
        if (options.is_cancelled()) throw Error(ErrorCode::kCancelled, "the conversion was cancelled");
        append(piece);
        if (is_measured) {
          error.add(part.source, tensor.target.type, element, piece);
          element += error.last_count();
        }
        progress.bytes_done += static_cast<int64_t>(piece.size());
        options.on_progress(progress);
      });
      if (!part.source.is_heap()) {
        MappedFile::drop_resident_pages({part.source.data(), static_cast<size_t>(part.source.size_bytes())});
      }
    }
  }
  return error.relative();
}

// An architecture that has numbers of its own and does not write them would give another model.
void check_read_back(const GgufFile& file, const ConversionPlan& plan) {
  if (plan.architecture == nullptr) return;
  if (is_same_model(plan.architecture->spec_from_gguf(file), plan.spec)) return;
  throw Error(ErrorCode::kUnsupported,
              fmt::format("this {} model has numbers that its GGUF metadata do not say", plan.architecture->name));
}

double write_gguf(Executor& executor, const ConversionPlan& plan, const ConvertOptions& options) {
  GgufWriter writer(options.destination, plan.metadata, targets_of(plan), plan.alignment);
  check_room(options.destination, writer.file_bytes());
  const double error =
      write_tensors(executor, plan, options, [&](std::span<const std::byte> piece) { writer.append(piece); });
  check_read_back(*writer.read_back(), plan);
  writer.commit();
  return error;
}

double write_files(Executor& executor, const ConversionPlan& plan, const ConvertOptions& options,
                   const fs::path& folder) {
  // Readers of other makes want to know who could have written the file.
  SafetensorsWriter writer(folder / kWeightsFile, targets_of(plan), {{"format", "pt"}});
  uint64_t needed_bytes = writer.file_bytes();
  for (const auto& [name, contents] : plan.files) needed_bytes += contents.size();
  check_room(without_slash(options.destination), needed_bytes);
  const double error =
      write_tensors(executor, plan, options, [&](std::span<const std::byte> piece) { writer.append(piece); });
  writer.commit();
  for (const auto& [name, contents] : plan.files) replace_file(folder / name, contents);
  return error;
}

double write_folder(Executor& executor, const ConversionPlan& plan, const ConvertOptions& options) {
  AtomicFolder folder(options.destination);
  const double error = write_files(executor, plan, options, folder.path());
  folder.commit();
  return error;
}

ConvertReport report_on(ConversionPlan plan, std::string source_format, bool is_gguf) {
  ConvertReport report;
  report.source_format = std::move(source_format);
  report.destination_format = is_gguf ? "GGUF 3" : "Hugging Face folder";
  report.tensor_count = static_cast<int64_t>(plan.tensors.size());
  std::map<ElementType, ConvertedType> types;
  for (const PlannedTensor& tensor : plan.tensors) {
    for (const PlannedRows& part : tensor.parts) report.source_bytes += part.source.size_bytes();
    report.destination_bytes += size_bytes(tensor.target);
    ConvertedType& use = types[tensor.target.type];
    use.type = tensor.target.type;
    ++use.tensor_count;
    use.bytes += size_bytes(tensor.target);
  }
  for (const auto& [type, use] : types) report.types.push_back(use);
  std::stable_sort(report.types.begin(), report.types.end(),
                   [](const ConvertedType& a, const ConvertedType& b) { return a.bytes > b.bytes; });
  report.fallbacks = std::move(plan.fallbacks);
  report.notes = std::move(plan.notes);
  return report;
}

struct PlannedConversion {
  ConversionPlan plan;
  std::string source_format;
};

PlannedConversion plan_conversion(const ConvertOptions& options, bool to_gguf) {
  const TypeMix* mix = options.type.empty() ? nullptr : &type_mix(options.type);
  const Model* changed = options.changed.get();
  if (!path_exists(options.source)) {
    throw Error(ErrorCode::kNotFound, fmt::format("{}: no such file or folder", options.source.string()));
  }
  if (fs::is_directory(options.source)) {
    const HfFolder folder = read_hf_folder(options.source);
    return {to_gguf ? plan_folder_to_gguf(folder, mix, changed) : plan_folder_to_folder(folder, mix, changed),
            "Hugging Face folder"};
  }
  const std::shared_ptr<const GgufFile> file = GgufFile::open(options.source);
  return {to_gguf ? plan_gguf_to_gguf(*file, mix, changed) : plan_gguf_to_folder(*file, mix, changed),
          gguf_format_name(*file)};
}

}  // namespace

ConvertReport convert_model(Executor& executor, const ConvertOptions& options) {
  const bool to_gguf = options.destination.extension() == ".gguf";
  check_destination(options, to_gguf);
  PlannedConversion planned = plan_conversion(options, to_gguf);
  const double error =
      to_gguf ? write_gguf(executor, planned.plan, options) : write_folder(executor, planned.plan, options);
  ConvertReport report = report_on(std::move(planned.plan), std::move(planned.source_format), to_gguf);
  report.changed_error = error;
  return report;
}

void check_conversion(const ConvertOptions& options) { plan_conversion(options, /*to_gguf=*/false); }

ConvertReport write_model_files(Executor& executor, const ConvertOptions& options) {
  PlannedConversion planned = plan_conversion(options, /*to_gguf=*/false);
  const double error = write_files(executor, planned.plan, options, options.destination);
  ConvertReport report = report_on(std::move(planned.plan), std::move(planned.source_format), /*is_gguf=*/false);
  report.changed_error = error;
  return report;
}

}  // namespace pelton
