#include "cli/json_lines.h"

#include <fmt/format.h>

#include <fstream>
#include <iostream>

#include "base/error.h"

namespace pelton::cli {
namespace {

constexpr size_t kLineBytesMax = size_t{64} << 20;

}  // namespace

void for_each_line(const std::string& file, const std::function<void(const std::string&)>& visit) {
  std::ifstream opened;
  if (file != "-") {
    opened.open(file);
    if (!opened) throw Error(ErrorCode::kNotFound, fmt::format("{} cannot be read", file));
  }
  std::streambuf& bytes = *(file == "-" ? std::cin : opened).rdbuf();
  std::string line;
  size_t number = 1;
  const auto finish = [&] {
    if (!line.empty()) visit(line);
    line.clear();
    ++number;
  };
  for (int byte = bytes.sbumpc(); byte != std::char_traits<char>::eof(); byte = bytes.sbumpc()) {
    if (byte == '\n') {
      finish();
    } else if (line.size() == kLineBytesMax) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("line {} of {} has more than {} bytes", number, file, kLineBytesMax));
    } else {
      line += static_cast<char>(byte);
    }
  }
  finish();
}

}  // namespace pelton::cli
