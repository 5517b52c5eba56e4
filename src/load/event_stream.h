// Server-sent events out of the bytes of a body, however they are cut (WHATWG HTML, "Server-sent events").
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace pelton {

class EventStream {
 public:
  // `take_data` gets the data of each event that is whole by now, its lines joined by line breaks.
  void push(std::string_view bytes, const std::function<void(std::string_view data)>& take_data);

 private:
  void take_line(std::string_view line, const std::function<void(std::string_view data)>& take_data);

  std::string line_;  // unfinished
  std::string data_;
  bool has_data_ = false;
};

}  // namespace pelton
