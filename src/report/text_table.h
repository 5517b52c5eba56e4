// Aligned columns of text for people.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pelton {

enum class Align { kLeft, kRight };

struct TextColumn {
  std::string title;
  Align align = Align::kRight;
};

class TextTable {
 public:
  explicit TextTable(std::vector<TextColumn> columns);

  // As many cells as there are columns. A cell is one line of UTF-8; every character counts as one place wide.
  void add_row(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }

  // The titles, then the rows, a line each, two spaces between columns and none at a line's end.
  std::string to_string() const;

 private:
  std::vector<TextColumn> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace pelton
