// Grammars of any text: refused with an Error or compiled, within their limits; what they accept is asked of the rest
// of the input. The first byte chooses the kind, a zero byte ends the grammar.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "text/grammar_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kKindCount = 5;
  if (size == 0) return 0;
  const auto kind = static_cast<pelton::GrammarKind>(data[0] % kKindCount);
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t end = input.find('\0');
  const std::string_view grammar = input.substr(0, end);
  const std::string_view text = end == std::string_view::npos ? std::string_view() : input.substr(end + 1);
  try {
    const pelton::GrammarCheck check({kind, std::string(grammar)});
    (void)check.accepts(text);
  } catch (const pelton::Error& error) {
    // Nothing is the system's fault, and a panic of the library would be a bug.
    if (error.code() == pelton::ErrorCode::kInternal) __builtin_trap();
  }
  return 0;
}
