// Where a run keeps what it needs to go on: OUTPUT.run/, until its output is there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace pelton {

// Held by one process at a time. Not thread-safe.
class RunFolder {
 public:
  // Makes the folder if it is not there. Errors: kIo; kInvalidArgument: another process trains into it, or `output` is
  // there already.
  explicit RunFolder(const std::filesystem::path& output);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path checkpoint() const { return path_ / "checkpoint.safetensors"; }
  std::filesystem::path best() const { return path_ / "best.safetensors"; }  // parameters alone
  std::filesystem::path manifest() const { return path_ / "manifest.json"; }
  std::filesystem::path events() const;  // TensorBoard's, while the run goes on

  // The log: lines go to its end. Error kIo.
  void append_to_log(std::string_view line);
  uint64_t log_bytes() const { return log_bytes_; }
  // What was written after a checkpoint is written again. Error kIo.
  void cut_log(uint64_t bytes);
  std::string log() const;

  // Call last: the output is there.
  void remove();

 private:
  std::filesystem::path path_;
  int lock_ = -1;
  int log_ = -1;
  uint64_t log_bytes_ = 0;
};

}  // namespace pelton
