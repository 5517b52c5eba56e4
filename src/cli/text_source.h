// Texts one after the other, wherever they come from: arguments, the lines of a file, or those of standard input.
#pragma once

#include <cstddef>
#include <fstream>
#include <istream>
#include <optional>
#include <string>
#include <vector>

namespace pelton::cli {

class TextSource {
 public:
  // Keeps a reference to `arguments`. `noun`: what a text is called in messages, "text". Errors: kNotFound (the file),
  // kUsage (nothing is given, and standard input is a terminal).
  TextSource(const std::vector<std::string>& arguments, const std::optional<std::string>& file, std::string noun);

  // Up to `count_max` more; empty: there are none. Errors: kInvalidArgument (not UTF-8, a line too long), kIo.
  std::vector<std::string> next(size_t count_max);

 private:
  bool read(std::string& text);

  const std::vector<std::string>& arguments_;
  std::string noun_;
  std::ifstream file_;
  std::istream* lines_ = nullptr;  // null: from the arguments
  std::string name_;               // of the lines
  size_t index_ = 0;
};

}  // namespace pelton::cli
