#include "data/run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <optional>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/version.h"
#include "data/append_file.h"
#include "data/ordered_pipeline.h"
#include "data/parquet_writer.h"
#include "data/phase.h"
#include "data/running_hash.h"

namespace pelton::data {
namespace {

namespace fs = std::filesystem;

// Names in the run's folder.
constexpr std::string_view kOutput = "output";
constexpr std::string_view kDropped = "dropped";
constexpr std::string_view kQuarantine = "quarantine";
constexpr std::string_view kLineage = "lineage";
constexpr std::string_view kBlockRows = "block-rows";
constexpr std::string_view kLines = "lines.jsonl";
constexpr std::string_view kLineRows = "line-rows";
constexpr std::string_view kOrderedLines = "ordered.jsonl";
constexpr std::string_view kOrderedLineRows = "ordered-rows";
std::string of_phase(std::string_view what, size_t phase) { return fmt::format("{}-{}", what, phase); }

// One process at a time works in a folder.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder) {
    fs::create_directories(folder);
    const fs::path path = folder / "lock";
    descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor_ < 0) throw Error(ErrorCode::kIo, fmt::format("cannot create {}", path.string()));
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      ::close(descriptor_);
      throw Error(ErrorCode::kUnavailable, fmt::format("another process works in {}", folder.string()));
    }
  }
  ~FolderLock() { ::close(descriptor_); }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_;
};

std::vector<InputFile> find_all_inputs(const Recipe& recipe) {
  std::vector<InputFile> files;
  for (const RecipeInput& input : recipe.inputs) {
    for (InputFile& file : find_input_files(input.pattern, input.like)) files.push_back(std::move(file));
  }
  number_files(files);
  return files;
}

// What must be the same for a run to go on.
json::object fingerprint_of(const Recipe& recipe, std::span<const InputFile> files, const RunOptions& options) {
  json::array inputs;
  for (const InputFile& file : files) {
    const auto changed = fs::last_write_time(file.source.path).time_since_epoch().count();
    inputs.push_back(json::array{file.source.path, file.bytes, changed});
  }
  return {{"version", kVersion},
          {"recipe", recipe.in_force},
          {"inputs", std::move(inputs)},
          {"block_bytes", options.block_bytes},
          {"block_stride", options.block_stride}};
}

class Run {
 public:
  Run(const Recipe& recipe, const RunOptions& options)
      : recipe_(recipe),
        options_(options),
        phases_(plan_phases(recipe)),
        files_(find_all_inputs(recipe)),
        stem_(output_stem(recipe.output)),
        folder_(stem_ + ".pelton-run"),
        lock_(folder_),
        fingerprint_(fingerprint_of(recipe, files_, options)) {}

  RunReport run() {
    load_state();
    while (state_.phase < phases_.size()) {
      run_phase();
      if (phases_[state_.phase].stream_step) decide();
      begin_next_phase();
    }
    return publish();
  }

 private:
  fs::path in_folder(std::string_view name) const { return folder_ / name; }
  fs::path checkpoint_path() const { return in_folder("checkpoint.json"); }

  void load_state();
  void save_state();
  void run_phase();
  void open_files(const PhasePlan& plan);
  AppendFile& file(std::string_view name) { return *open_files_.find(name)->second; }
  bool produce(BlockReader& reader, const PhasePlan& plan, Batch& batch);
  void commit(Batch& batch, const PhasePlan& plan);
  void append_ids(const Batch& batch);
  void note_files_read(const Block& block);
  void finish_files_before(size_t index);
  void report_progress(uint64_t phase_bytes);
  void decide();
  void write_in_order(const StreamStep& step, const ObservedStream& stream);
  void begin_next_phase();
  RunReport publish();
  void publish_parquet();
  void write_manifest(const std::vector<OutputFile>& outputs, const std::string& path) const;
  std::string path_of(std::string_view role) const;

  const Recipe& recipe_;
  const RunOptions& options_;
  std::vector<PhasePlan> phases_;
  std::vector<InputFile> files_;
  std::string stem_;
  fs::path folder_;
  FolderLock lock_;
  json::object fingerprint_;

  RunState state_;
  std::map<std::string, std::unique_ptr<AppendFile>, std::less<>> open_files_;
  RunningHash input_hash_;
  RunningHash output_hash_;

  // Of the phase that runs.
  std::optional<SpillFile> block_rows_;
  std::optional<DecisionReader> decisions_;
  std::vector<InputFile> line_files_;
  std::vector<uint64_t> bytes_before_;  // each of its input files, and at the end all
  uint64_t next_block_ = 0;             // to be produced
  uint64_t next_record_ = 0;            // the first of that block
  uint64_t bytes_since_checkpoint_ = 0;
};

void Run::load_state() {
  state_.counts.steps.resize(recipe_.steps.size());
  if (!fs::exists(checkpoint_path())) return;
  const json::value saved = parse_json(read_file(checkpoint_path(), uint64_t{1} << 30), checkpoint_path().string(),
                                       {.depth_max = 64, .bytes_max = size_t{1} << 30});
  const json::object& object = saved.as_object();
  if (options_.keeps_going && object.at("fingerprint") == json::value(fingerprint_)) {
    state_ = RunState::from_json(object.at("state").as_object());
    input_hash_.restore(state_.input_hash);
    output_hash_.restore(state_.output_hash);
    if (options_.on_note) {
      options_.on_note(fmt::format("going on where an earlier run stopped: {} records read", state_.counts.records));
    }
    return;
  }
  if (options_.on_note && options_.keeps_going) {
    options_.on_note("an earlier run of another recipe, or on other inputs, was left unfinished: beginning anew");
  }
}

// Without waiting for the disk: it is for a killed process. After a power cut files may be shorter than it says, and
// then the run begins anew.
void Run::save_state() {
  for (const auto& [name, open_file] : open_files_) state_.file_bytes[name] = open_file->size_bytes();
  state_.input_hash = input_hash_.save();
  state_.output_hash = output_hash_.save();
  const fs::path next = in_folder("checkpoint.next");
  std::ofstream stream(next, std::ios::binary | std::ios::trunc);
  stream << json::serialize(json::object{{"fingerprint", fingerprint_}, {"state", state_.to_json()}});
  stream.close();
  if (!stream) throw Error(ErrorCode::kIo, fmt::format("cannot write {}", next.string()));
  fs::rename(next, checkpoint_path());
  bytes_since_checkpoint_ = 0;
}

void Run::open_files(const PhasePlan& plan) {
  open_files_.clear();
  std::vector<std::string> names = {std::string(kOutput), std::string(kDropped), std::string(kQuarantine),
                                    std::string(kLineage)};
  if (plan.is_first) names.emplace_back(kBlockRows);
  if (plan.stream_step) {
    const auto& step = std::get<std::unique_ptr<const StreamStep>>(recipe_.steps[*plan.stream_step].step);
    for (size_t i = 0; i < step->spill_count(); ++i) {
      names.push_back(of_phase(fmt::format("spill-{}", i), state_.phase));
    }
    names.push_back(of_phase("ids", state_.phase));
    names.push_back(of_phase("id-ends", state_.phase));
  }
  if (plan.writes_lines()) {
    names.push_back(of_phase(kLines, state_.phase));
    names.push_back(of_phase(kLineRows, state_.phase));
  }
  for (const std::string& name : names) {
    open_files_[name] = std::make_unique<AppendFile>(in_folder(name), state_.file_bytes[name]);
  }
}

void Run::run_phase() {
  const PhasePlan& plan = phases_[state_.phase];
  try {
    open_files(plan);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCorruptFile) throw;
    if (options_.on_note) options_.on_note("what an earlier run left is damaged: beginning anew");
    state_ = RunState();
    state_.counts.steps.resize(recipe_.steps.size());
    input_hash_ = output_hash_ = RunningHash();
    return run_phase();
  }
  save_state();

  block_rows_.reset();
  decisions_.reset();
  line_files_.clear();
  std::optional<SpillFile> line_rows;
  if (!plan.is_first && plan.reads_sources) block_rows_.emplace(in_folder(kBlockRows));
  if (plan.decided_step) {
    decisions_.emplace(in_folder(of_phase("decisions", state_.phase - 1)), state_.decision_offset);
  }
  if (!plan.reads_sources) {
    const bool are_ordered = phases_[state_.phase - 1].reorders;
    InputFile lines;
    lines.source.path = in_folder(of_phase(are_ordered ? kOrderedLines : kLines, state_.phase - 1)).string();
    lines.bytes = fs::file_size(lines.source.path);
    line_files_.push_back(std::move(lines));
    line_rows.emplace(in_folder(of_phase(are_ordered ? kOrderedLineRows : kLineRows, state_.phase - 1)));
  }
  const std::span<const InputFile> inputs = plan.reads_sources ? files_ : line_files_;
  bytes_before_.assign(1, 0);
  for (const InputFile& file : inputs) bytes_before_.push_back(bytes_before_.back() + file.bytes);
  BlockReader reader(inputs, {.block_bytes = options_.block_bytes});
  reader.seek(state_.position);
  next_block_ = state_.block_count;
  next_record_ = state_.record_count;
  const PhaseWorker worker(recipe_, plan, files_, line_rows ? line_rows->rows<LineRow>() : std::span<const LineRow>());

  bool was_stopped = false;
  uint64_t phase_bytes = 0;
  OrderedPipeline<Batch> pipeline;
  pipeline.produce = [&](Batch& batch) {
    if (options_.should_stop && options_.should_stop()) {
      was_stopped = true;
      return false;
    }
    return produce(reader, plan, batch);
  };
  pipeline.work = [&](Batch& batch) { worker.work(batch); };
  pipeline.commit = [&](Batch& batch) {
    commit(batch, plan);
    phase_bytes += batch.block.lines().size();
    report_progress(phase_bytes);
  };
  pipeline.run(std::max<size_t>(options_.thread_count, 1));
  if (was_stopped) {
    save_state();
    throw Error(ErrorCode::kCancelled, "stopped; run it again to go on");
  }
  if (plan.is_first) finish_files_before(files_.size());
  save_state();
}

bool Run::produce(BlockReader& reader, const PhasePlan& plan, Batch& batch) {
  do {
    if (!reader.next(batch.block)) return false;
  } while (next_block_++ % (plan.reads_sources ? options_.block_stride : 1) != 0);
  batch.block_number = next_block_ - 1;
  batch.first_record = next_record_;
  batch.found.reset();
  batch.decisions.clear();
  uint64_t record_count = batch.block.line_count;
  if (block_rows_) {
    batch.found = block_rows_->rows<BlockRow>()[(next_block_ - 1) / options_.block_stride];
    record_count = batch.found->record_count;
  }
  next_record_ += record_count;
  if (decisions_) {
    decisions_->take_until(next_record_, batch.decisions);
    batch.decision_offset = decisions_->offset();
  }
  return true;
}

void Run::append_ids(const Batch& batch) {
  AppendFile& ids = file(of_phase("ids", state_.phase));
  uint64_t end = ids.size_bytes();
  ids.append(batch.ids.bytes());
  SpillBuffer ends;
  for (const uint32_t bytes : batch.id_bytes) ends.append_row(end += bytes);
  file(of_phase("id-ends", state_.phase)).append(ends.bytes());
}

// Blocks come in order, and each is of one file.
void Run::note_files_read(const Block& block) {
  finish_files_before(block.file->source.index);
  input_hash_.add(block.lines());
  state_.input_lines = block.first_line + block.line_count - 1;
}

void Run::finish_files_before(size_t index) {
  while (state_.read_files.size() < index) {
    state_.read_files.push_back({input_hash_.to_hex(), state_.input_lines});
    input_hash_ = RunningHash();
    state_.input_lines = 0;
  }
}

void Run::commit(Batch& batch, const PhasePlan& plan) {
  if (plan.is_first) {
    note_files_read(batch.block);
    file(kBlockRows).append(batch.block_rows.bytes());
  }
  for (const std::string_view piece : batch.output) output_hash_.add(piece);
  file(kOutput).append(batch.output);
  file(kDropped).append(batch.dropped);
  file(kQuarantine).append(batch.quarantine);
  file(kLineage).append(batch.lineage);
  if (plan.stream_step) {
    for (size_t i = 0; i < batch.spills.size(); ++i) {
      file(of_phase(fmt::format("spill-{}", i), state_.phase)).append(batch.spills[i].bytes());
    }
    append_ids(batch);
  }
  if (plan.writes_lines()) {
    file(of_phase(kLines, state_.phase)).append(batch.lines.bytes());
    file(of_phase(kLineRows, state_.phase)).append(batch.line_rows.bytes());
  }
  state_.counts.add(batch.counts);
  state_.position = batch.block.end;
  state_.block_count = batch.block_number + 1;
  state_.record_count = batch.first_record + batch.record_count;
  state_.decision_offset = batch.decision_offset;
  bytes_since_checkpoint_ += batch.block.lines().size();
  if (bytes_since_checkpoint_ >= options_.checkpoint_bytes) save_state();
}

void Run::report_progress(uint64_t phase_bytes) {
  if (!options_.on_progress) return;
  const auto [file, bytes, lines] = state_.position;
  const uint64_t all = bytes_before_.back();
  // Of a packed file it is not known how long its lines are.
  const uint64_t done =
      file + 1 == bytes_before_.size() ? all : std::min(bytes_before_[file] + bytes, bytes_before_[file + 1]);
  const double part = all == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(all);
  options_.on_progress({state_.phase, phases_.size(), part, phase_bytes, state_.counts});
}

void Run::decide() {
  open_files_.clear();
  const auto& step =
      std::get<std::unique_ptr<const StreamStep>>(recipe_.steps[*phases_[state_.phase].stream_step].step);
  std::vector<SpillFile> spills;
  for (size_t i = 0; i < step->spill_count(); ++i) {
    spills.emplace_back(in_folder(of_phase(fmt::format("spill-{}", i), state_.phase)));
  }
  const IdTable ids{SpillFile(in_folder(of_phase("ids", state_.phase))),
                    SpillFile(in_folder(of_phase("id-ends", state_.phase)))};
  ObservedStream stream;
  stream.record_count = ids.ends.rows<uint64_t>().size();
  stream.spills = spills;
  stream.scratch_folder = in_folder("scratch");
  stream.memory_bytes_max = recipe_.memory_bytes_max;
  stream.thread_count = static_cast<int>(options_.thread_count);
  stream.is_trial = options_.is_trial;
  fs::remove_all(stream.scratch_folder);
  fs::create_directory(stream.scratch_folder);
  DecisionWriter writer(in_folder(of_phase("decisions", state_.phase)), ids);
  step->decide(stream, writer);
  writer.close();
  if (step->reorders()) write_in_order(*step, stream);
  fs::remove_all(stream.scratch_folder);
}

// Into files beside those of the phase, so that a run that was killed meanwhile can do it again.
void Run::write_in_order(const StreamStep& step, const ObservedStream& stream) {
  const SpillFile lines(in_folder(of_phase(kLines, state_.phase)));
  const SpillFile line_rows(in_folder(of_phase(kLineRows, state_.phase)));
  const std::string_view text(reinterpret_cast<const char*>(lines.bytes().data()), lines.bytes().size());
  std::vector<uint64_t> ends;
  for (size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n', end + 1)) {
    ends.push_back(end + 1);
  }
  CHECK(ends.size() == stream.record_count && line_rows.rows<LineRow>().size() == stream.record_count);

  AppendFile ordered_lines(in_folder(of_phase(kOrderedLines, state_.phase)), 0);
  AppendFile ordered_rows(in_folder(of_phase(kOrderedLineRows, state_.phase)), 0);
  constexpr size_t kRowsAtOnce = 4096;
  std::vector<std::string_view> pieces;
  SpillBuffer rows;
  uint64_t count = 0;
  const auto flush = [&] {
    ordered_lines.append(pieces);
    ordered_rows.append(rows.bytes());
    pieces.clear();
    rows.clear();
  };
  step.arrange(stream, [&](uint64_t record) {
    const uint64_t begin = record == 0 ? 0 : ends[record - 1];
    pieces.push_back(text.substr(begin, ends[record] - begin));
    rows.append_row(line_rows.rows<LineRow>()[record]);
    ++count;
    if (pieces.size() == kRowsAtOnce) flush();
  });
  flush();
  CHECK(count == stream.record_count);
}

void Run::begin_next_phase() {
  open_files_.clear();
  const size_t done = state_.phase;
  ++state_.phase;
  state_.position = {};
  state_.block_count = 0;
  state_.record_count = 0;
  state_.decision_offset = 0;
  save_state();
  // What only the phase that is done needed. Its own lines and decisions are for the next one.
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename().string();
    const bool was_shown = name.ends_with(fmt::format("-{}", done)) &&
                           (name.starts_with("spill-") || name.starts_with("ids-") || name.starts_with("id-ends-"));
    const bool was_input = done > 0 && name.ends_with(fmt::format("-{}", done - 1));
    if (was_shown || was_input) fs::remove(entry.path());
  }
}

std::string Run::path_of(std::string_view role) const {
  if (role == kOutput) return recipe_.output;
  if (role == kDropped) return recipe_.dropped;
  return fmt::format("{}.{}{}", stem_, role, role == kLineage ? ".jsonl.zst" : ".jsonl");
}

RunReport Run::publish() {
  RunReport report;
  report.counts = state_.counts;
  report.manifest_path = stem_ + ".manifest.json";
  for (const std::string_view role : {kOutput, kDropped, kQuarantine, kLineage}) {
    const std::string path = path_of(role);
    const uint64_t bytes = state_.file_bytes[std::string(role)];
    std::string last_bytes;
    if (bytes == 0) pack({}, packing_of(path), last_bytes);  // no bytes at all would be no packed file
    if (role == kOutput) output_hash_.add(last_bytes);
    if (fs::exists(in_folder(role))) {  // else it had its name before a kill
      AppendFile last(in_folder(role), bytes);
      last.append(last_bytes);
      last.sync();
    }
    if (role == kQuarantine && state_.counts.bad_lines == 0) {
      fs::remove(path);  // of an earlier run
      continue;
    }
    if (role == kOutput && is_parquet(path)) {
      publish_parquet();
    } else if (fs::exists(in_folder(role))) {
      fs::rename(in_folder(role), path);
    }
    report.files.push_back({std::string(role), path, fs::file_size(path)});
  }
  write_manifest(report.files, report.manifest_path);
  fs::remove_all(folder_);
  return report;
}

// The lines stay until all is published: a killed run writes the table anew, which comes out the same.
void Run::publish_parquet() {
  const fs::path table = in_folder("output.parquet");
  write_parquet(in_folder(kOutput), table, {.thread_count = options_.thread_count, .on_note = options_.on_note});
  AppendFile(table, fs::file_size(table)).sync();
  output_hash_ = RunningHash();
  const std::shared_ptr<const MappedFile> whole = MappedFile::open(table);
  output_hash_.add({reinterpret_cast<const char*>(whole->bytes().data()), whole->bytes().size()});
  fs::rename(table, recipe_.output);
}

void Run::write_manifest(const std::vector<OutputFile>& outputs, const std::string& path) const {
  json::array inputs;
  for (size_t i = 0; i < files_.size(); ++i) {
    const SourceFile& source = files_[i].source;
    json::object input = {{"path", source.path},
                          {"bytes", files_[i].bytes},
                          {"lines", state_.read_files[i].lines},
                          {"xxh3_128_of_lines", state_.read_files[i].hash}};
    if (!source.license.empty()) input["license"] = source.license;
    if (!source.url.empty()) input["url"] = source.url;
    if (!source.split.empty()) input["split"] = source.split;
    if (source.is_synthetic) {
      input["synthetic"] = json::object{{"model", source.model}, {"prompt", source.prompt}};
    }
    inputs.push_back(std::move(input));
  }
  json::array files;
  for (const OutputFile& output : outputs) {
    json::object entry = {{"role", output.role}, {"path", output.path}, {"bytes", output.bytes}};
    if (output.role == kOutput) entry["xxh3_128"] = output_hash_.to_hex();
    files.push_back(std::move(entry));
  }
  json::object counts = to_json(state_.counts);
  json::array steps = counts["steps"].as_array();
  counts.erase("steps");
  for (size_t i = 0; i < steps.size(); ++i) {
    json::object step = {{"step", recipe_.steps[i].label}};
    for (const auto& [key, value] : steps[i].as_object()) step[key] = value;
    steps[i] = std::move(step);
  }
  const json::object manifest = {{"pelton", kVersion},          {"recipe", recipe_.in_force},
                                 {"inputs", std::move(inputs)}, {"outputs", std::move(files)},
                                 {"counts", std::move(counts)}, {"steps", std::move(steps)}};
  replace_file(path, to_json_text(manifest) + "\n");
}

}  // namespace

RunReport run_recipe(const Recipe& recipe, const RunOptions& options) { return Run(recipe, options).run(); }

}  // namespace pelton::data
