#include "train/token_file.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <array>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "data/append_file.h"
#include "data/running_hash.h"
#include "io/safetensors.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

enum ColumnIndex : size_t {
  kTokens,
  kLearnt,
  kSequenceEnds,
  kExampleEnds,
  kForms,
  kLabels,
  kSources,
  kLines,
  kColumnCount
};
struct ColumnInfo {
  const char* name;
  ElementType type;
};
constexpr std::array<ColumnInfo, kColumnCount> kColumns = {{{"tokens", ElementType::kI32},
                                                            {"learnt", ElementType::kU8},
                                                            {"sequence_ends", ElementType::kI64},
                                                            {"example_ends", ElementType::kI64},
                                                            {"forms", ElementType::kU8},
                                                            {"labels", ElementType::kU8},
                                                            {"sources", ElementType::kI32},
                                                            {"lines", ElementType::kI64}}};

constexpr RecordForm kAllForms[] = {RecordForm::kText,    RecordForm::kCompletion, RecordForm::kChat,
                                    RecordForm::kAlpaca,  RecordForm::kShareGpt,   RecordForm::kPreference,
                                    RecordForm::kLabelled};

constexpr size_t kBufferBytes = size_t{1} << 20;

// All that ids mean: another vocabulary would make other texts of them.
std::string hash_of(const Tokenizer& tokenizer) {
  data::RunningHash hash;
  for (int32_t token = 0; token < tokenizer.vocabulary_size(); ++token) {
    const std::string_view bytes = tokenizer.token_bytes(static_cast<TokenId>(token));
    hash.add(fmt::format("{}:", bytes.size()));
    hash.add(bytes);
  }
  return hash.to_hex();
}

[[noreturn]] void refuse(const fs::path& path, std::string_view reason) {
  throw Error(ErrorCode::kCorruptFile, fmt::format("{}: as a file of tokens: {}", path.string(), reason));
}

}  // namespace

class TokenFileWriter::Column {
 public:
  Column(const fs::path& path, const ColumnInfo& info) : info_(info), file_(path, 0) {}

  template <typename T>
  void add(T value) {
    CHECK(sizeof(T) == static_cast<size_t>(bytes_of(info_.type, 1)));
    buffer_.append(reinterpret_cast<const char*>(&value), sizeof value);
    if (buffer_.size() >= kBufferBytes) flush();
  }
  void flush() {
    file_.append(buffer_);
    buffer_.clear();
  }
  TensorEntry entry() const {
    return {info_.name, info_.type, {static_cast<int64_t>(file_.size_bytes()) / bytes_of(info_.type, 1)}};
  }
  std::shared_ptr<const MappedFile> map() const { return MappedFile::open(file_.path()); }

 private:
  ColumnInfo info_;
  data::AppendFile file_;
  std::string buffer_;
};

TokenFileWriter::TokenFileWriter(fs::path path, const Tokenizer& tokenizer)
    : path_(std::move(path)), tokenizer_hash_(hash_of(tokenizer)) {
  std::string name = path_.string() + ".XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) {
    throw Error(ErrorCode::kIo, fmt::format("cannot write {}: {}", path_.string(), std::strerror(errno)));
  }
  folder_ = name;
  for (const ColumnInfo& info : kColumns) columns_.push_back(std::make_unique<Column>(folder_ / info.name, info));
}

TokenFileWriter::~TokenFileWriter() {
  columns_.clear();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void TokenFileWriter::add(const Example& example, RecordForm form, const std::string& source, int64_t line) {
  const auto [index, is_new] = source_index_.emplace(source, sources_.size());
  if (is_new) sources_.push_back({.name = source});
  SourceTokens& counts = sources_[index->second];
  ++counts.examples;
  for (const TrainingSequence& sequence : example.sequences) {
    for (size_t i = 0; i < sequence.tokens.size(); ++i) {
      columns_[kTokens]->add(sequence.tokens[i]);
      columns_[kLearnt]->add(static_cast<uint8_t>(sequence.is_learnt[i] ? 1 : 0));
    }
    token_count_ += static_cast<int64_t>(sequence.tokens.size());
    ++sequence_count_;
    columns_[kSequenceEnds]->add(token_count_);
  }
  counts.tokens += example.token_count();
  counts.learnt += example.learnt_count();
  columns_[kExampleEnds]->add(sequence_count_);
  columns_[kForms]->add(static_cast<uint8_t>(form));
  const int label = example.is_desirable ? (*example.is_desirable ? 1 : 2) : 0;
  columns_[kLabels]->add(static_cast<uint8_t>(label));
  columns_[kSources]->add(static_cast<int32_t>(index->second));
  columns_[kLines]->add(line);
}

void TokenFileWriter::commit() {
  json::array sources, forms;
  for (const SourceTokens& source : sources_) {
    sources.push_back(json::object{
        {"name", source.name}, {"examples", source.examples}, {"tokens", source.tokens}, {"learnt", source.learnt}});
  }
  for (const RecordForm form : kAllForms) forms.push_back(json::string(record_form_name(form)));
  std::vector<TensorEntry> entries;
  for (const auto& column : columns_) {
    column->flush();
    entries.push_back(column->entry());
  }
  SafetensorsWriter writer(
      path_, entries,
      {{"tokenizer", tokenizer_hash_}, {"sources", to_json_text(sources)}, {"forms", to_json_text(forms)}});
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (entries[i].shape[0] > 0) writer.append(columns_[i]->map()->bytes());
  }
  writer.commit();
}

bool is_token_file(const fs::path& path) { return path.string().ends_with(".tokens.safetensors"); }

namespace {

class TokenFileReader {
 public:
  TokenFileReader(const fs::path& path, const Tokenizer& tokenizer)
      : path_(path), tokenizer_(tokenizer), file_(SafetensorsFile::open(path)) {
    if (note("tokenizer") != hash_of(tokenizer)) {
      throw Error(
          ErrorCode::kInvalidArgument,
          fmt::format("{} was made with another model's tokenizer; make it again with `pelton data pack -m` and "
                      "this model",
                      path.string()));
    }
    for (const json::value& form : list("forms")) forms_.push_back(form_named(form));
    for (const json::value& source : list("sources")) {
      const json::object* object = source.if_object();
      const json::value* name = object == nullptr ? nullptr : object->if_contains("name");
      if (name == nullptr || !name->is_string()) refuse(path_, "a source without a name");
      sources_.emplace_back(name->get_string());
    }
    tokens_ = column<int32_t>(kTokens);
    learnt_ = column<uint8_t>(kLearnt);
    sequence_ends_ = column<int64_t>(kSequenceEnds);
    example_ends_ = column<int64_t>(kExampleEnds);
    labels_ = column<uint8_t>(kLabels);
    form_indices_ = column<uint8_t>(kForms);
    source_indices_ = column<int32_t>(kSources);
    lines_ = column<int64_t>(kLines);
    const size_t count = example_ends_.size();
    if (learnt_.size() != tokens_.size() || labels_.size() != count || form_indices_.size() != count ||
        source_indices_.size() != count || lines_.size() != count) {
      refuse(path_, "its columns differ in length");
    }
  }

  void read(int64_t sequence_length_max, std::vector<Example>& examples, RecordCounts& counts) {
    for (size_t i = 0; i < example_ends_.size(); ++i) {
      Example example;
      const auto source = static_cast<size_t>(source_indices_[i]);
      if (form_indices_[i] >= forms_.size() || source >= sources_.size() || labels_[i] > 2) {
        refuse(path_, "an index out of its list");
      }
      const RecordForm form = forms_[form_indices_[i]];
      example.place = fmt::format("{}:{}", sources_[source], lines_[i]);
      if (labels_[i] != 0) example.is_desirable = labels_[i] == 1;
      const int64_t wanted = form == RecordForm::kPreference ? 2 : 1;
      if (example_ends_[i] - sequence_ != wanted || (labels_[i] != 0) != (form == RecordForm::kLabelled)) {
        refuse(path_, "an example that is not of its form");
      }
      while (sequence_ < example_ends_[i]) example.sequences.push_back(next_sequence(example, sequence_length_max));
      examples.push_back(std::move(example));
      ++counts.by_form[form];
    }
  }

 private:
  TrainingSequence next_sequence(const Example& example, int64_t length_max) {
    if (static_cast<size_t>(sequence_) >= sequence_ends_.size()) refuse(path_, "sequences are missing");
    const int64_t end = sequence_ends_[static_cast<size_t>(sequence_++)];
    const int64_t begin = token_;
    if (end <= begin || end > static_cast<int64_t>(tokens_.size()))
      refuse(path_, "a sequence that ends where it began");
    if (end - begin > length_max) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("{}: {} has {} tokens; sequence_length and the model's context allow {}", path_.string(),
                              example.place, end - begin, length_max));
    }
    token_ = end;
    TrainingSequence sequence;
    for (int64_t i = begin; i < end; ++i) {
      const int32_t token = tokens_[static_cast<size_t>(i)];
      const uint8_t learnt = learnt_[static_cast<size_t>(i)];
      if (token < 0 || token >= tokenizer_.vocabulary_size()) refuse(path_, "a token that the model does not have");
      if (learnt > (i == begin ? 0 : 1)) refuse(path_, "a first token that is learnt");
      sequence.tokens.push_back(token);
      sequence.is_learnt.push_back(learnt != 0);
    }
    if (sequence.learnt_count() == 0) refuse(path_, "a sequence of which nothing is learnt");
    return sequence;
  }

  std::string note(const std::string& name) const {
    const auto found = file_->metadata().find(name);
    if (found == file_->metadata().end()) refuse(path_, fmt::format("its metadata have no \"{}\"", name));
    return found->second;
  }
  json::array list(const std::string& name) const {
    const json::value value = parse_json(note(name), name);
    if (!value.is_array()) refuse(path_, fmt::format("\"{}\" is no list", name));
    return value.get_array();
  }
  RecordForm form_named(const json::value& name) const {
    for (const RecordForm form : kAllForms) {
      if (name.is_string() && name.get_string() == record_form_name(form)) return form;
    }
    refuse(path_, "a form of records that is not known");
  }
  template <typename T>
  std::vector<T> column(ColumnIndex index) const {
    const std::optional<Tensor> tensor = file_->find(kColumns[index].name);
    if (!tensor || tensor->type() != kColumns[index].type || tensor->shape().rank() != 1) {
      refuse(path_, fmt::format("the column \"{}\" is missing, or of another type", kColumns[index].name));
    }
    std::vector<T> values(static_cast<size_t>(tensor->shape()[0]));
    if (!values.empty()) std::memcpy(values.data(), tensor->data(), values.size() * sizeof(T));
    return values;
  }

  fs::path path_;
  const Tokenizer& tokenizer_;
  std::shared_ptr<const SafetensorsFile> file_;
  std::vector<RecordForm> forms_;
  std::vector<std::string> sources_;
  std::vector<int32_t> tokens_;
  std::vector<uint8_t> learnt_;
  std::vector<int64_t> sequence_ends_;
  std::vector<int64_t> example_ends_;
  std::vector<uint8_t> labels_;
  std::vector<uint8_t> form_indices_;
  std::vector<int32_t> source_indices_;
  std::vector<int64_t> lines_;
  int64_t sequence_ = 0;
  int64_t token_ = 0;
};

}  // namespace

void read_token_file(const fs::path& path, const Tokenizer& tokenizer, int64_t sequence_length_max,
                     std::vector<Example>& examples, RecordCounts& counts) {
  TokenFileReader(path, tokenizer).read(sequence_length_max, examples, counts);
}

}  // namespace pelton
