#include "data/comparable_words.h"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/uscript.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "base/check.h"
#include "text/utf8.h"

namespace pelton::data {
namespace {

// What becomes of a character, in the bits above the code point that it becomes.
enum Fate : uint32_t {
  kSeparates = 0,
  kInWord = 1u << 24,
  kWordOfItsOwn = 2u << 24,
  kDropped = 3u << 24,
  kDigit = 4u << 24,
};
constexpr uint32_t kCodePointMask = 0x00FFFFFF;
constexpr uint32_t kFateMask = ~kCodePointMask;

// Beyond it are ideographs, and code points of no character that a word has.
constexpr char32_t kTableEnd = 0x20000;
using FateTable = std::array<uint32_t, kTableEnd>;

bool has_script_without_spaces(char32_t code_point) {
  UErrorCode error = U_ZERO_ERROR;
  switch (uscript_getScript(static_cast<UChar32>(code_point), &error)) {
    case USCRIPT_HAN:
    case USCRIPT_HIRAGANA:
    case USCRIPT_KATAKANA:
    case USCRIPT_THAI:
    case USCRIPT_LAO:
    case USCRIPT_KHMER:
    case USCRIPT_MYANMAR:
      return true;
    default:
      return false;
  }
}

bool is_mark(int category) { return category == U_NON_SPACING_MARK || category == U_COMBINING_SPACING_MARK; }

uint32_t fate_among_words(char32_t code_point) {
  const auto character = static_cast<UChar32>(code_point);
  const int category = u_charType(character);
  const bool is_word = u_isalpha(character) || is_mark(category) || category == U_ENCLOSING_MARK ||
                       (U_GET_GC_MASK(character) & U_GC_N_MASK) != 0 || code_point == '_';
  if (!is_word) return kSeparates;
  const Fate fate = has_script_without_spaces(code_point) && !is_mark(category) ? kWordOfItsOwn : kInWord;
  return fate | static_cast<uint32_t>(u_tolower(character));
}

// datatrove's PUNCTUATION, less what is ASCII or a control character: those all separate.
constexpr std::u32string_view kFineWebPunctuation = U"—”％１〈、【」，】；“《„’∶´（–？！：～«〉》）。…►»";

// The one character that is left of it without its diacritics; itself, where that is not one character (Hangul).
char32_t without_diacritics(char32_t code_point) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* nfd = icu::Normalizer2::getNFDInstance(error);
  CHECK(U_SUCCESS(error));
  icu::UnicodeString parts;
  if (!nfd->getDecomposition(static_cast<UChar32>(code_point), parts)) return code_point;
  char32_t rest = 0;
  for (int32_t i = 0; i < parts.length(); i = parts.moveIndex32(i, 1)) {
    const UChar32 part = parts.char32At(i);
    if (u_charType(part) == U_NON_SPACING_MARK) continue;
    if (rest != 0) return code_point;
    rest = static_cast<char32_t>(part);
  }
  return rest == 0 ? code_point : rest;
}

uint32_t fate_in_fineweb(char32_t code_point) {
  const auto lower = static_cast<char32_t>(u_tolower(static_cast<UChar32>(code_point)));
  const auto character = static_cast<UChar32>(lower);
  const int category = u_charType(character);
  if (category == U_DECIMAL_DIGIT_NUMBER) return kDigit | '0';
  const bool is_ascii = lower < 0x80;
  if (is_ascii ? !u_isalnum(character)
               : u_isUWhiteSpace(character) || category == U_CONTROL_CHAR ||
                     kFineWebPunctuation.find(lower) != std::u32string_view::npos) {
    return kSeparates;
  }
  if (category == U_NON_SPACING_MARK) return kDropped;
  return (has_script_without_spaces(lower) ? kWordOfItsOwn : kInWord) |
         static_cast<uint32_t>(without_diacritics(lower));
}

const FateTable& fates_of(WordNormalization normalization) {
  const auto make = [](uint32_t (*fate)(char32_t)) {
    auto table = std::make_unique<FateTable>();
    for (char32_t code_point = 0; code_point < kTableEnd; ++code_point) (*table)[code_point] = fate(code_point);
    return table;
  };
  if (normalization == WordNormalization::kWords) {
    static const std::unique_ptr<const FateTable> kTable = make(fate_among_words);
    return *kTable;
  }
  static const std::unique_ptr<const FateTable> kTable = make(fate_in_fineweb);
  return *kTable;
}

// Reads one character after the other. A byte that begins none reads as a separator.
class FateReader {
 public:
  FateReader(std::string_view text, const FateTable& fates) : text_(text), fates_(fates) {}

  size_t position() const { return position_; }
  bool at_end() const { return position_ == text_.size(); }
  uint32_t next() {
    const auto byte = static_cast<unsigned char>(text_[position_]);
    if (byte < 0x80) {
      ++position_;
      return fates_[byte];
    }
    return next_beyond_ascii();
  }
  // The rest of a number whose first digit has been read: digits, and once more after a decimal separator.
  void skip_number() {
    skip_digits();
    const size_t before = position_;
    if (at_end() || !skip_decimal_separator() || !skip_digits()) position_ = before;
  }

 private:
  uint32_t next_beyond_ascii() {
    const Utf8Part part = next_utf8_part(text_.substr(position_));
    const std::string_view character = text_.substr(position_, part.size);
    position_ += part.size;
    if (part.state != Utf8State::kCharacter) return kSeparates;
    const char32_t code_point = code_point_of(character);
    return code_point < kTableEnd ? fates_[code_point] : kWordOfItsOwn | static_cast<uint32_t>(code_point);
  }
  bool skip_digits() {
    const size_t begin = position_;
    while (!at_end()) {
      const size_t before = position_;
      if ((next() & kFateMask) != kDigit) {
        position_ = before;
        break;
      }
    }
    return position_ != begin;
  }
  bool skip_decimal_separator() {
    for (const std::string_view separator : {".", ",", "،", "٫", "⎖", "⎗", "⎘"}) {
      if (text_.substr(position_).starts_with(separator)) {
        position_ += separator.size();
        return true;
      }
    }
    return false;
  }

  std::string_view text_;
  const FateTable& fates_;
  size_t position_ = 0;
};

// By the least 11 bits, then the next, then the rest: for the thousand n-grams of a usual text four times as fast as
// comparing.
void radix_sort(std::vector<uint32_t>& numbers) {
  constexpr int kPasses = 3;
  constexpr int kDigitBits = 11;
  constexpr uint32_t kDigits = 1u << kDigitBits;
  std::array<std::array<uint32_t, kDigits>, kPasses> begins{};
  for (const uint32_t number : numbers) {
    for (int pass = 0; pass < kPasses; ++pass) ++begins[pass][number >> (pass * kDigitBits) & (kDigits - 1)];
  }
  std::vector<uint32_t> sorted(numbers.size());
  for (int pass = 0; pass < kPasses; ++pass) {
    uint32_t begin = 0;
    for (uint32_t& count : begins[pass]) begin += std::exchange(count, begin);
    for (const uint32_t number : numbers) {
      sorted[begins[pass][number >> (pass * kDigitBits) & (kDigits - 1)]++] = number;
    }
    numbers.swap(sorted);
  }
}

// FNV-1a's prime and start, a character at a time; mixed at the end.
constexpr uint64_t kHashStart = 0xCBF29CE484222325u;
constexpr uint64_t kHashPrime = 0x100000001B3u;

// Calls push(hash, end) for each word; its characters end before `end`.
template <typename Push>
void for_each_word(std::string_view text, const FateTable& fates, const Push& push) {
  FateReader reader(text, fates);
  uint64_t hash = kHashStart;
  size_t end = 0;
  const auto end_word = [&] {
    if (hash != kHashStart) push(mix_hash(hash), end);
    hash = kHashStart;
  };
  while (!reader.at_end()) {
    const uint32_t fate = reader.next();
    switch (fate & kFateMask) {
      case kDigit:
        reader.skip_number();
        [[fallthrough]];
      case kInWord:
        hash = (hash ^ (fate & kCodePointMask)) * kHashPrime;
        end = reader.position();
        break;
      case kSeparates:
        end_word();
        break;
      case kWordOfItsOwn:
        end_word();
        push(mix_hash((kHashStart ^ (fate & kCodePointMask)) * kHashPrime), reader.position());
        break;
      default:
        break;  // dropped
    }
  }
  end_word();
}

}  // namespace

void hash_words(std::string_view text, WordNormalization normalization, std::vector<uint64_t>& hashes) {
  hashes.clear();
  for_each_word(text, fates_of(normalization), [&](uint64_t hash, size_t) { hashes.push_back(hash); });
}

void hash_words(std::string_view text, WordNormalization normalization, std::vector<uint64_t>& hashes,
                std::vector<size_t>& ends) {
  hashes.clear();
  ends.clear();
  for_each_word(text, fates_of(normalization), [&](uint64_t hash, size_t end) {
    hashes.push_back(hash);
    ends.push_back(end);
  });
}

void hash_shingles(const std::vector<uint64_t>& word_hashes, int ngram, std::vector<uint32_t>& shingles) {
  CHECK(ngram > 0);
  shingles.clear();
  const size_t width = std::min(static_cast<size_t>(ngram), word_hashes.size());
  if (width == 0) return;
  shingles.reserve(word_hashes.size() - width + 1);
  for_each_ngram(word_hashes, width,
                 [&](size_t, uint64_t hash) { shingles.push_back(static_cast<uint32_t>(hash >> 32)); });
}

void make_set(std::vector<uint32_t>& shingles) {
  constexpr size_t kRadixFrom = 256;
  if (shingles.size() < kRadixFrom) {
    std::sort(shingles.begin(), shingles.end());
  } else {
    radix_sort(shingles);
  }
  shingles.erase(std::unique(shingles.begin(), shingles.end()), shingles.end());
}

double jaccard_similarity(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  if (a.empty() && b.empty()) return 1;
  size_t common = 0;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const uint32_t left = a[i];
    const uint32_t right = b[j];
    common += left == right;
    i += left <= right;  // without branches: which one is smaller cannot be foreseen
    j += right <= left;
  }
  return static_cast<double>(common) / static_cast<double>(a.size() + b.size() - common);
}

}  // namespace pelton::data
