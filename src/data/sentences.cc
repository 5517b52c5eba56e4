#include "data/sentences.h"

#include <unicode/brkiter.h>
#include <unicode/utext.h>

#include <memory>

#include "base/check.h"

namespace pelton::data {
namespace {

// Dear to make: one for each thread.
icu::BreakIterator& sentence_breaks() {
  thread_local const std::unique_ptr<icu::BreakIterator> breaks = [] {
    UErrorCode status = U_ZERO_ERROR;
    std::unique_ptr<icu::BreakIterator> made(
        icu::BreakIterator::createSentenceInstance(icu::Locale::getRoot(), status));
    CHECK(U_SUCCESS(status) != 0);
    return made;
  }();
  return *breaks;
}

}  // namespace

std::vector<std::string_view> sentences_of(std::string_view text) {
  std::vector<std::string_view> sentences;
  UErrorCode status = U_ZERO_ERROR;
  UText* bytes = ::utext_openUTF8(nullptr, text.data(), static_cast<int64_t>(text.size()), &status);
  CHECK(U_SUCCESS(status) != 0);
  icu::BreakIterator& breaks = sentence_breaks();
  breaks.setText(bytes, status);
  CHECK(U_SUCCESS(status) != 0);
  size_t begin = 0;
  breaks.first();
  for (int32_t end = breaks.next(); end != icu::BreakIterator::DONE; end = breaks.next()) {
    sentences.push_back(text.substr(begin, static_cast<size_t>(end) - begin));
    begin = static_cast<size_t>(end);
  }
  ::utext_close(bytes);
  return sentences;
}

}  // namespace pelton::data
