#include "load/event_stream.h"

namespace pelton {

void EventStream::push(std::string_view bytes, const std::function<void(std::string_view data)>& take_data) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    line_ += bytes.substr(0, end);
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
    if (line_.ends_with('\r')) line_.pop_back();
    take_line(line_, take_data);
    line_.clear();
  }
}

void EventStream::take_line(std::string_view line, const std::function<void(std::string_view data)>& take_data) {
  constexpr std::string_view kField = "data:";
  if (line.empty()) {
    if (has_data_) take_data(data_);
    data_.clear();
    has_data_ = false;
  } else if (line.starts_with(kField)) {
    line.remove_prefix(kField.size());
    if (line.starts_with(' ')) line.remove_prefix(1);
    if (has_data_) data_ += '\n';
    data_ += line;
    has_data_ = true;
  }
}

}  // namespace pelton
