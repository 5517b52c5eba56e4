// One self-contained page: no script, nothing fetched from anywhere.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pelton {

class HtmlPage {
 public:
  explicit HtmlPage(std::string title);

  void add_heading(std::string_view text);
  void add_text(std::string_view text);
  // The first row holds the titles; all rows have as many cells. The first column is text, the others numbers.
  void add_table(const std::vector<std::vector<std::string>>& rows);
  // Pictures stand side by side where there is room.
  void add_pictures(const std::vector<std::string>& svgs);

  std::string to_string() const;

 private:
  std::string title_;
  std::string body_;
};

}  // namespace pelton
