#include "cli/bench_progress.h"

#include <fmt/format.h>
#include <unistd.h>

namespace pelton::cli {

BenchProgress::BenchProgress(const InterruptScope& interrupt)
    : interrupt_(interrupt), is_terminal_(::isatty(STDERR_FILENO) == 1), shown_at_(clock_.now()) {}

BenchProgress::~BenchProgress() {
  if (has_line_) fmt::print(stderr, "\r\x1b[K");
}

void BenchProgress::operator()(std::string_view what) {
  if (interrupt_.signal() != 0) throw Error(ErrorCode::kCancelled, "stopped");
  constexpr double kTerminalSeconds = 0.2;
  constexpr double kLogSeconds = 10;
  if (seconds(clock_.now() - shown_at_) < (is_terminal_ ? kTerminalSeconds : kLogSeconds)) return;
  shown_at_ = clock_.now();
  if (is_terminal_) {
    fmt::print(stderr, "\r\x1b[K{}", what);
    has_line_ = true;
  } else {
    print_note(what);
  }
}

}  // namespace pelton::cli
