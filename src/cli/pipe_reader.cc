#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "cli/conversation.h"
#include "cli/line_reader.h"

namespace pelton::cli {
namespace {

// Waits with poll(), which a signal ends; a buffered stdio read would lose its place.
class PipeReader final : public LineReader {
 public:
  explicit PipeReader(const InterruptScope& interrupt) : interrupt_(interrupt) {}

  InputLine read_line(bool /*is_continuation*/) override {
    size_t scanned = 0;
    while (true) {
      const size_t newline = buffer_.find('\n', scanned);
      if (newline != std::string::npos) return {InputLine::Kind::kText, take(newline, 1)};
      scanned = buffer_.size();
      if (scanned > kInputBytesMax) {
        throw Error(ErrorCode::kResourceExhausted,
                    fmt::format("a line of more than {} bytes, the most that is read", kInputBytesMax));
      }
      if (!wait()) return {InputLine::Kind::kInterrupted, {}};
      if (fill()) continue;
      if (buffer_.empty()) return {InputLine::Kind::kEnd, {}};
      return {InputLine::Kind::kText, take(buffer_.size(), 0)};  // the last line needs no newline
    }
  }

 private:
  // False: a signal came first.
  bool wait() const {
    std::array<pollfd, 2> waiting = {{{STDIN_FILENO, POLLIN, 0}, {interrupt_.descriptor(), POLLIN, 0}}};
    while (interrupt_.signal() == 0) {
      if (::poll(waiting.data(), waiting.size(), -1) > 0 && waiting[0].revents != 0) return interrupt_.signal() == 0;
    }
    return false;
  }

  // False: the end of the input.
  bool fill() {
    char bytes[4096];
    const ssize_t count = ::read(STDIN_FILENO, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) return true;
    if (count < 0) throw Error(ErrorCode::kIo, fmt::format("cannot read standard input: {}", std::strerror(errno)));
    buffer_.append(bytes, static_cast<size_t>(count));
    return count > 0;
  }

  std::string take(size_t size, size_t separator_size) {
    std::string line = buffer_.substr(0, size);
    buffer_.erase(0, size + separator_size);
    return line;
  }

  const InterruptScope& interrupt_;
  std::string buffer_;
};

}  // namespace

std::unique_ptr<LineReader> make_pipe_reader(const InterruptScope& interrupt) {
  return std::make_unique<PipeReader>(interrupt);
}

}  // namespace pelton::cli
