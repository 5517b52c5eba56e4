// What a StreamStep decided, on disk, in the order of the records.
#pragma once

#include <fstream>
#include <string>

#include "data/step.h"

namespace pelton::data {

// A decision with names instead of numbers.
struct ResolvedDecision {
  uint64_t record = 0;
  Verdict::Action action = Verdict::Action::kDrop;
  std::string id;
  std::string reason;
  std::string detail;
  std::string duplicate_of;  // empty: none
  std::optional<double> similarity;
  std::string edit;
};

// Where the ids of the observed records lie: `ids` one after another, `ends` the end of each.
struct IdTable {
  SpillFile ids;
  SpillFile ends;
  std::string_view id(uint64_t record) const;
};

class DecisionWriter final : public Decisions {
 public:
  // Error kIo.
  DecisionWriter(const std::filesystem::path& path, const IdTable& ids);
  void add(const Decision& decision) override;
  void close();

 private:
  std::filesystem::path path_;
  std::ofstream file_;
  const IdTable& ids_;
  std::optional<uint64_t> last_;
};

class DecisionReader {
 public:
  // Goes on at `offset`, which was offset() of an earlier reader of this file.
  DecisionReader(const std::filesystem::path& path, uint64_t offset);
  // Appends those of records below `end`.
  void take_until(uint64_t end, std::vector<ResolvedDecision>& decisions);
  uint64_t offset() const { return offset_; }

 private:
  bool read_next();

  std::filesystem::path path_;
  std::ifstream file_;
  uint64_t offset_;  // of next_
  uint64_t next_end_ = 0;
  std::optional<ResolvedDecision> next_;
};

}  // namespace pelton::data
