#include "cli/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/json_text.h"
#include "cli/printable.h"

namespace pelton::cli {

void print_text(std::string_view text) {
  // What libraries may have left in stdout's buffer goes first. The text itself goes by write(): a signal that comes
  // while a pipe is full ends fwrite() with an unknown part of the text written.
  bool is_written = std::fflush(stdout) == 0;
  while (is_written && !text.empty()) {
    const ssize_t count = ::write(STDOUT_FILENO, text.data(), text.size());
    if (count >= 0) text.remove_prefix(static_cast<size_t>(count));
    is_written = count >= 0 || errno == EINTR;
  }
  if (!is_written)
    throw Error(ErrorCode::kIo, fmt::format("cannot write to standard output: {}", std::strerror(errno)));
}

void print_json(const json::value& value) { print_text(to_json_text(value) + "\n"); }

json::object error_to_json(ErrorCode code, std::string_view message) {
  return {{"error", {{"code", error_code_info(code).name}, {"message", valid_utf8(message)}}}};
}

json::value json_number(double value) { return std::isfinite(value) ? json::value(value) : json::value(nullptr); }

void print_note(std::string_view line) { fmt::print(stderr, "{}\n", line); }

bool stdin_is_terminal() { return ::isatty(STDIN_FILENO) == 1; }
bool stdout_is_terminal() { return ::isatty(STDOUT_FILENO) == 1; }

bool uses_colour() {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return stdout_is_terminal() && (no_colour == nullptr || *no_colour == '\0') &&
         (terminal == nullptr || std::string_view(terminal) != "dumb");
}

}  // namespace pelton::cli
