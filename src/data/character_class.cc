#include "data/character_class.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <array>
#include <memory>

namespace pelton::data {
namespace {

constexpr std::u32string_view kPunctuationCharacters = U"…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪";
constexpr std::u32string_view kQuoteCharacters = U"'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉〈〉⟦⟧";
constexpr std::u32string_view kCurrencyCharacters =
    U"$£€¥฿₽﷼₴₠₡₢₣₤₥₦₧₨₩₪₫₭₮₯₰₱₲₳₵₶₷₸₹₺₻₼₾₿";
constexpr std::u32string_view kHyphenCharacters = U"-–—~";
// Less the terminal ones and control characters, which are added below.
constexpr std::u32string_view kSignCharacters =
    U"!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»";
// clang-format would break the string anew each time.
// clang-format off
constexpr std::u32string_view kTerminalCharacters =
    U"᪩？⁈𑩂．꩞𑅃﹗𑂾\u1b7d፧𑅂꡶꘎⁉࠾᪨𑊩𑱂᱿𖩮᥅\U00011f43\U00011f44﹒𑈹𑈸።܂؞꛳\U00010f88𑗍𐩖𑙂\u061d꩟᠉\u1b7e𑗗᰼𑻸؟𑪜꧉"
    U"𑗉𐽙𖫵𖬷܀꓿᜵𑗏𑁇𑗓𑥄៖𑥆𑗑𑗒꯫۔𐩗\U00010f86꡷\u2e54｡៕߹⸮.𑇅࠹𛲟꫰꤯𐽗᭞𑜼፨𑃁꣏𑇟𖬸𑪛𑜾࠷𝪈?𑃀"
    U"𑗃！։꣎॥𑗖᭛᠃!၊𖺘⁇𑗌𑑋𖭄᭟𑅁𑙁⸼꩝𑗋。꧈꫱𑜽𐽖𑂿᙮។꛷\U00010f89៚᥄𑗕𑗎᪪᭚࠽𑇞𑗊𐽘\u2e53𑗔𖩯𑇍"
    U"𑻷𐽕𑩃।𑗂𑇆𑁈။᱾𑱁꘏܁᜶‼𑈻‽᪫﹖𑑌𑈼\U00010f87𑗐៙᰻";
// clang-format on

constexpr char32_t kTableEnd = 0x20000;  // beyond it are letters (ideographs) and nothing else that we ask for
using ClassTable = std::array<CharacterClass, kTableEnd>;

bool is_python_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

CharacterClass classes_of(char32_t code_point) {
  const auto c = static_cast<UChar32>(code_point);
  const uint32_t category = U_GET_GC_MASK(c);
  CharacterClass classes = 0;
  const auto add = [&](bool is_member, CharacterClass flag) {
    if (is_member) classes |= flag;
  };
  const bool is_upper = (category & (U_GC_LU_MASK | U_GC_LT_MASK)) != 0;
  const bool is_lower = (category & U_GC_LL_MASK) != 0;
  const bool is_letter = (category & U_GC_L_MASK) != 0;
  add(is_python_space(code_point), kSpace);
  add(is_letter, kLetter);
  add(is_letter && !is_upper, kLower);
  add(is_letter && !is_lower, kUpper);
  add(code_point >= '0' && code_point <= '9', kAsciiDigit);
  add((category & U_GC_SO_MASK) != 0, kIcon);
  add((category & U_GC_P_MASK) != 0, kCategoryP);
  // Ranges 0 to 8, 11 and 12, 13 to 31, 127 to 159.
  add((code_point < 0x20 && code_point != '\t' && code_point != '\n') || (code_point >= 127 && code_point < 160),
      kSign);
  return classes;
}

const ClassTable& table() {
  static const std::unique_ptr<const ClassTable> kTable = [] {
    auto table = std::make_unique<ClassTable>();
    for (char32_t c = 0; c < kTableEnd; ++c) (*table)[c] = classes_of(c);
    const auto mark = [&](std::u32string_view characters, CharacterClass flag) {
      for (const char32_t c : characters) (*table)[c] |= flag;
    };
    mark(kPunctuationCharacters, kPunctuation);
    mark(kQuoteCharacters, kQuote);
    mark(kCurrencyCharacters, kCurrency);
    mark(kHyphenCharacters, kHyphen);
    mark(kSignCharacters, kSign);
    mark(kTerminalCharacters, kSign | kTerminal);
    std::copy(internal::kAsciiClasses.begin(), internal::kAsciiClasses.end(), table->begin());
    return table;
  }();
  return *kTable;
}

}  // namespace

CharacterClass character_class(char32_t code_point) {
  return code_point < kTableEnd ? table()[code_point] : CharacterClass{kLetter | kLower | kUpper};
}

EndCharacter first_character_beyond_ascii(std::string_view text) {
  const Utf8Part part = next_utf8_part(text);
  const char32_t code_point = part.state == Utf8State::kCharacter ? code_point_of(text.substr(0, part.size)) : 0xFFFD;
  return {code_point, part.size, character_class(code_point)};
}

EndCharacter last_character_beyond_ascii(std::string_view text) {
  for (size_t size = 2; size <= std::min<size_t>(4, text.size()); ++size) {
    const std::string_view end = text.substr(text.size() - size);
    if ((static_cast<unsigned char>(end.front()) & 0xC0) == 0x80) continue;
    const Utf8Part part = next_utf8_part(end);
    if (part.state == Utf8State::kCharacter && part.size == size) return first_character(end);
    break;
  }
  return {0xFFFD, 1, character_class(0xFFFD)};
}

size_t count_characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }));
}

std::string_view strip(std::string_view text) {
  while (!text.empty()) {
    const size_t size = leading_space(text);
    if (size == 0) break;
    text.remove_prefix(size);
  }
  while (!text.empty()) {
    const EndCharacter last = last_character(text);
    if ((last.classes & kSpace) == 0) break;
    text.remove_suffix(last.size);
  }
  return text;
}

size_t leading_line_break(std::string_view text) {
  const auto byte = static_cast<unsigned char>(text.front());
  if (byte == '\r') return text.size() > 1 && text[1] == '\n' ? 2 : 1;
  if (byte < 0x80) return (byte >= '\n' && byte <= '\f') || (byte >= 0x1C && byte <= 0x1E) ? 1 : 0;
  for (const std::string_view other : {"\u0085", "\u2028", "\u2029"}) {
    if (text.starts_with(other)) return other.size();
  }
  return 0;
}

}  // namespace pelton::data
