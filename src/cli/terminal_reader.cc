#include <histedit.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cwchar>
#include <deque>
#include <sstream>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/line_reader.h"

namespace pelton::cli {
namespace fs = std::filesystem;
namespace {

constexpr size_t kHistoryLinesMax = 1000;
constexpr uint64_t kHistoryBytesMax = uint64_t{4} << 20;

// The lines of earlier sessions, oldest first; none where the file cannot be read.
std::deque<std::string> read_history(const fs::path& path) {
  std::deque<std::string> lines;
  try {
    std::istringstream contents(read_file(path, kHistoryBytesMax));
    for (std::string line; std::getline(contents, line);) lines.push_back(line);
  } catch (const Error&) {  // a convenience: the chat must not fail for it
  }
  return lines;
}

// Reads the file again first, so that two sessions at once both leave their lines.
void append_history(const fs::path& path, const std::deque<std::string>& new_lines) {
  if (new_lines.empty()) return;
  std::deque<std::string> lines = read_history(path);
  lines.insert(lines.end(), new_lines.begin(), new_lines.end());
  while (lines.size() > kHistoryLinesMax) lines.pop_front();
  std::string contents;
  for (const std::string& line : lines) contents += line + "\n";
  try {
    fs::create_directories(path.parent_path());
    replace_file(path, contents);
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  } catch (const std::exception&) {  // as above
  }
}

class TerminalReader final : public LineReader {
 public:
  TerminalReader(const InterruptScope& interrupt, fs::path history_path, bool uses_colour)
      : interrupt_(interrupt), history_path_(std::move(history_path)), uses_colour_(uses_colour) {
    use_utf8_locale();
    editor_ = el_init("pelton", stdin, stdout, stderr);
    CHECK(editor_ != nullptr);
    el_set(editor_, EL_CLIENTDATA, this);
    el_set(editor_, EL_EDITOR, "emacs");
    el_set(editor_, EL_PROMPT_ESC, prompt, kEscapeMark);
    el_wset(editor_, EL_GETCFN, read_character);
    el_set(editor_, EL_BIND, "^R", "em-inc-search-prev", nullptr);

    history_ = history_init();
    CHECK(history_ != nullptr);
    HistEvent event;
    history(history_, &event, H_SETSIZE, static_cast<int>(kHistoryLinesMax));
    history(history_, &event, H_SETUNIQUE, 1);
    for (const std::string& line : read_history(history_path_)) history(history_, &event, H_ENTER, line.c_str());
    el_set(editor_, EL_HIST, history, history_);
    el_source(editor_, nullptr);  // the user's own ~/.editrc
  }

  ~TerminalReader() override {
    append_history(history_path_, new_lines_);
    history_end(history_);
    el_end(editor_);
  }

  InputLine read_line(bool is_continuation) override {
    is_continuation_ = is_continuation;
    el_resize(editor_);
    // Before the prompt is shown: libedit does it after, and what is typed in between is echoed twice, and lost by the
    // Ctrl-C that follows it. el_gets gives the terminal back.
    el_set(editor_, EL_PREP_TERM, 1);
    int byte_count = 0;
    const char* read = el_gets(editor_, &byte_count);
    if (interrupt_.signal() != 0) {
      std::fputc('\n', stdout);
      return {InputLine::Kind::kInterrupted, {}};
    }
    if (read == nullptr || byte_count <= 0) return {InputLine::Kind::kEnd, {}};
    std::string line(read);
    if (line.ends_with('\n')) line.pop_back();
    remember(line);
    return {InputLine::Kind::kText, line};
  }

 private:
  static constexpr char kCtrlD = '\4';
  static constexpr char kEscapeMark = '\1';  // around what takes no room on the screen

  // libedit counts columns by the locale; UTF-8 even where the environment says nothing.
  static void use_utf8_locale() {
    std::setlocale(LC_CTYPE, "");
    if (MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
  }

  static TerminalReader& of(EditLine* editor) {
    void* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    return *static_cast<TerminalReader*>(self);
  }

  static char* prompt(EditLine* editor) {
    static char plain[] = "> ", plain_continuation[] = ". ";
    static char colour[] = "\1\033[1;32m\1> \1\033[0m\1", colour_continuation[] = "\1\033[32m\1. \1\033[0m\1";
    const TerminalReader& self = of(editor);
    if (self.uses_colour_) return self.is_continuation_ ? colour_continuation : colour;
    return self.is_continuation_ ? plain_continuation : plain;
  }

  static bool is_line_empty(EditLine* editor) {
    const LineInfo* line = el_line(editor);
    return line->lastchar == line->buffer;
  }

  // libedit's own reader starts again after the first signal; this one ends. Gives 1 for a character, 0 at the end, -1.
  static int read_character(EditLine* editor, wchar_t* character) {
    const InterruptScope& interrupt = of(editor).interrupt_;
    std::mbstate_t state{};
    while (true) {
      std::array<pollfd, 2> waiting = {{{STDIN_FILENO, POLLIN, 0}, {interrupt.descriptor(), POLLIN, 0}}};
      if (interrupt.signal() != 0) return -1;
      if (::poll(waiting.data(), waiting.size(), -1) <= 0 || waiting[0].revents == 0) continue;
      char byte = 0;
      const ssize_t count = ::read(STDIN_FILENO, &byte, 1);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return static_cast<int>(count);
      // Ctrl-D on an empty line is the end. One typed while the terminal was still in its line mode arrives as NUL, and
      // one that comes just as libedit takes the terminal was seen inserted into the line, where no second one helps.
      if ((byte == kCtrlD || byte == '\0') && is_line_empty(editor)) return 0;
      if (byte == '\0') continue;
      const size_t length = std::mbrtowc(character, &byte, 1, &state);
      if (length == static_cast<size_t>(-2)) continue;  // more bytes to come
      if (length == static_cast<size_t>(-1)) {
        state = {};
        continue;  // not UTF-8: left out
      }
      return 1;
    }
  }

  void remember(const std::string& line) {
    if (line.find_first_not_of(" \t") == std::string::npos) return;
    HistEvent event;
    history(history_, &event, H_ENTER, line.c_str());
    new_lines_.push_back(line);
  }

  const InterruptScope& interrupt_;
  fs::path history_path_;
  bool uses_colour_;
  bool is_continuation_ = false;
  EditLine* editor_ = nullptr;
  History* history_ = nullptr;
  std::deque<std::string> new_lines_;
};

}  // namespace

std::unique_ptr<LineReader> make_terminal_reader(const InterruptScope& interrupt, fs::path history_path,
                                                 bool uses_colour) {
  return std::make_unique<TerminalReader>(interrupt, std::move(history_path), uses_colour);
}

}  // namespace pelton::cli
