// Lines from a person or a pipe: the chat's input. A signal ends the wait for one.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "cli/interrupt.h"

namespace pelton::cli {

struct InputLine {
  enum class Kind { kText, kInterrupted, kEnd };  // kInterrupted: Ctrl-C; what was typed is gone
  Kind kind;
  std::string text;  // without the newline
};

class LineReader {
 public:
  virtual ~LineReader() = default;
  // `is_continuation`: the line goes on with the one before; only the prompt differs. Error kIo.
  virtual InputLine read_line(bool is_continuation) = 0;
};

// Standard input as it is. `interrupt` must outlive the reader, here and below.
std::unique_ptr<LineReader> make_pipe_reader(const InterruptScope& interrupt);

// Editing, history and UTF-8 on a terminal, by libedit. The history lives in `history_path` (kept to its last lines,
// replaced as a whole when the reader goes, readable by its owner only); where it cannot be read or written, the reader
// works without.
std::unique_ptr<LineReader> make_terminal_reader(const InterruptScope& interrupt, std::filesystem::path history_path,
                                                 bool uses_colour);

}  // namespace pelton::cli
