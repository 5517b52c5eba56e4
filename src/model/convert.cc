#include "model/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "base/atomic_folder.h"
#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "io/hf_folder.h"
#include "io/path_exists.h"
#include "io/safetensors.h"
#include "model/config_writer.h"
#include "model/tensor_recoder.h"

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
  const fs::path around = destination.has_parent_path() ? destination.parent_path() : fs::path(".");
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

// Hands all tensors' data, in order, to `append`.
void write_tensors(Executor& executor, const ConversionPlan& plan, const ConvertOptions& options,
                   FunctionRef<void(std::span<const std::byte>)> append) {
  ConvertProgress progress;
  for (const PlannedTensor& tensor : plan.tensors) progress.bytes_total += size_bytes(tensor.target);
  for (const PlannedTensor& tensor : plan.tensors) {
    progress.tensor = tensor.target.name;
    for (const PlannedRows& part : tensor.parts) {
      const TensorRecoding recoding{.name = tensor.target.name,
                                    .source = part.source,
                                    .type = tensor.target.type,
                                    .order = part.order,
                                    .head_width = plan.head_width};
      recode_tensor(executor, recoding, [&](std::span<const std::byte> piece) {
        if (options.is_cancelled()) throw Error(ErrorCode::kCancelled, "the conversion was cancelled");
        append(piece);
        progress.bytes_done += static_cast<int64_t>(piece.size());
        options.on_progress(progress);
      });
      if (!part.source.is_heap()) {
        MappedFile::drop_resident_pages({part.source.data(), static_cast<size_t>(part.source.size_bytes())});
      }
    }
  }
}

// An architecture that has numbers of its own and does not write them would give another model.
void check_read_back(const GgufFile& file, const ConversionPlan& plan) {
  if (plan.architecture == nullptr) return;
  if (is_same_model(plan.architecture->spec_from_gguf(file), plan.spec)) return;
  throw Error(ErrorCode::kUnsupported,
              fmt::format("this {} model has numbers that its GGUF metadata do not say", plan.architecture->name));
}

void write_gguf(Executor& executor, const ConversionPlan& plan, const ConvertOptions& options) {
  GgufWriter writer(options.destination, plan.metadata, targets_of(plan), plan.alignment);
  check_room(options.destination, writer.file_bytes());
  write_tensors(executor, plan, options, [&](std::span<const std::byte> piece) { writer.append(piece); });
  check_read_back(*writer.read_back(), plan);
  writer.commit();
}

void write_folder(Executor& executor, const ConversionPlan& plan, const ConvertOptions& options) {
  AtomicFolder folder(options.destination);
  // Readers of other makes want to know who could have written the file.
  SafetensorsWriter writer(folder.path() / kWeightsFile, targets_of(plan), {{"format", "pt"}});
  uint64_t needed_bytes = writer.file_bytes();
  for (const auto& [name, contents] : plan.files) needed_bytes += contents.size();
  check_room(without_slash(options.destination), needed_bytes);
  write_tensors(executor, plan, options, [&](std::span<const std::byte> piece) { writer.append(piece); });
  writer.commit();
  for (const auto& [name, contents] : plan.files) replace_file(folder.path() / name, contents);
  folder.commit();
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

}  // namespace

ConvertReport convert_model(Executor& executor, const ConvertOptions& options) {
  const TypeMix* mix = options.type.empty() ? nullptr : &type_mix(options.type);
  const bool to_gguf = options.destination.extension() == ".gguf";
  check_destination(options, to_gguf);
  if (!path_exists(options.source)) {
    throw Error(ErrorCode::kNotFound, fmt::format("{}: no such file or folder", options.source.string()));
  }

  ConversionPlan plan;
  std::string source_format = "Hugging Face folder";
  if (fs::is_directory(options.source)) {
    const HfFolder folder = read_hf_folder(options.source);
    plan = to_gguf ? plan_folder_to_gguf(folder, mix) : plan_folder_to_folder(folder, mix);
  } else {
    const std::shared_ptr<const GgufFile> file = GgufFile::open(options.source);
    source_format = gguf_format_name(*file);
    plan = to_gguf ? plan_gguf_to_gguf(*file, mix) : plan_gguf_to_folder(*file, mix);
  }
  to_gguf ? write_gguf(executor, plan, options) : write_folder(executor, plan, options);
  return report_on(std::move(plan), std::move(source_format), to_gguf);
}

}  // namespace pelton
