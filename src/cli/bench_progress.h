// Measuring that says how far it is and that Ctrl-C ends.
#pragma once

#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/output.h"

namespace pelton::cli {

// What is being measured, on standard error: one line that is written over in a terminal, else a line now and then.
// Ends the work where a signal came.
class BenchProgress {
 public:
  explicit BenchProgress(const InterruptScope& interrupt);
  ~BenchProgress();
  BenchProgress(const BenchProgress&) = delete;
  BenchProgress& operator=(const BenchProgress&) = delete;

  // Error kCancelled: Ctrl-C.
  void operator()(std::string_view what);

 private:
  const InterruptScope& interrupt_;
  SteadyClock clock_;
  bool is_terminal_;
  bool has_line_ = false;
  TimePoint shown_at_;
};

// Runs `work` with something to call often; a signal ends it there.
template <typename Measure>
int until_interrupted(Measure measure) {
  const InterruptScope interrupt;
  try {
    BenchProgress progress(interrupt);
    measure([&](std::string_view what) { progress(what); });
    return 0;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCancelled || interrupt.signal() == 0) throw;
    print_note("pelton: stopped");
    return InterruptScope::exit_code(interrupt.signal());
  }
}

}  // namespace pelton::cli
