// Sorts more rows than memory holds: sorted runs go to files, which are merged.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <queue>
#include <type_traits>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "data/spill.h"

namespace pelton::data {

// add() each row, then sort(), then next() until false. `Less` orders the rows; rows that are equal to it come in any
// order, so let it leave none equal. Files lie in `folder` and are removed with the sorter. Not thread-safe.
template <typename T, typename Less>
class ExternalSorter {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  ExternalSorter(std::filesystem::path folder, std::string name, size_t memory_bytes_max, Less less = {})
      : folder_(std::move(folder)),
        name_(std::move(name)),
        rows_max_(std::max<size_t>(memory_bytes_max / sizeof(T), 1024)),
        less_(less) {}
  ~ExternalSorter() {
    runs_.clear();
    std::error_code ignored;
    for (const std::filesystem::path& path : run_paths_) std::filesystem::remove(path, ignored);
  }
  ExternalSorter(const ExternalSorter&) = delete;
  ExternalSorter& operator=(const ExternalSorter&) = delete;

  // Error kIo: a run cannot be written.
  void add(const T& row) {
    if (rows_.size() == rows_max_) write_run();
    rows_.push_back(row);
  }

  void sort() {
    if (run_paths_.empty()) {
      std::sort(rows_.begin(), rows_.end(), less_);
      return;
    }
    write_run();
    rows_ = {};
    for (const std::filesystem::path& path : run_paths_) {
      runs_.emplace_back(path);
      if (const auto rows = runs_.back().template rows<T>(); !rows.empty()) heads_.push({rows, runs_.size() - 1});
    }
  }

  bool next(T& row) {
    if (run_paths_.empty()) {
      if (position_ == rows_.size()) return false;
      row = rows_[position_++];
      return true;
    }
    if (heads_.empty()) return false;
    Head head = heads_.top();
    heads_.pop();
    row = head.rows.front();
    head.rows = head.rows.subspan(1);
    if (!head.rows.empty()) heads_.push(head);
    return true;
  }

 private:
  struct Head {
    std::span<const T> rows;
    size_t run;
  };
  struct LaterHead {
    Less less;
    bool operator()(const Head& a, const Head& b) const {
      if (less(b.rows.front(), a.rows.front())) return true;
      return !less(a.rows.front(), b.rows.front()) && a.run > b.run;
    }
  };

  void write_run() {
    std::sort(rows_.begin(), rows_.end(), less_);
    run_paths_.push_back(folder_ / fmt::format("{}-{}.run", name_, run_paths_.size()));
    std::ofstream file(run_paths_.back(), std::ios::binary);
    file.write(reinterpret_cast<const char*>(rows_.data()), static_cast<std::streamsize>(rows_.size() * sizeof(T)));
    file.close();
    if (!file) throw Error(ErrorCode::kIo, fmt::format("cannot write {}", run_paths_.back().string()));
    rows_.clear();
  }

  std::filesystem::path folder_;
  std::string name_;
  size_t rows_max_;
  Less less_;
  std::vector<T> rows_;
  size_t position_ = 0;
  std::vector<std::filesystem::path> run_paths_;
  std::vector<SpillFile> runs_;
  std::priority_queue<Head, std::vector<Head>, LaterHead> heads_{LaterHead{less_}};
};

}  // namespace pelton::data
