#include "train/log_lines.h"

#include <algorithm>

namespace pelton {

std::vector<json::object> log_lines(std::string_view log) {
  std::vector<json::object> lines;
  for (size_t begin = 0; begin < log.size();) {
    const size_t end = std::min(log.find('\n', begin), log.size());
    if (end > begin) lines.push_back(parse_json(log.substr(begin, end - begin), "log.jsonl").as_object());
    begin = end + 1;
  }
  return lines;
}

}  // namespace pelton
