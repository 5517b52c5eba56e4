"""Writes src/text/unicode_class_table.cc: what the regular expressions of tokenizers say of each code point.

    pip install tokenizers==0.21.4    # the same engine as bridge/'s; text.UnicodeClass compares all code points with that
    tools/make_unicode_classes.py > src/text/unicode_class_table.cc

The classes come from the engine itself, since Unicode versions differ between it and Python. What NFC leaves alone comes
from Python; a code point that Python does not know is taken as one that NFC may touch, which is slower and never wrong.
"""

import sys
import unicodedata

from tokenizers import Regex
from tokenizers.pre_tokenizers import Split

CODE_POINT_END = 0x110000
CLASSES = [
    ("kUpper", r"[\p{Lu}\p{Lt}]"),
    ("kLower", r"\p{Ll}"),
    ("kCaseless", r"[\p{Lm}\p{Lo}]"),
    ("kMark", r"\p{M}"),
    ("kNumber", r"\p{N}"),
    ("kSpace", r"\s"),
    ("kPunctuation", r"\p{P}"),
    ("kSymbol", r"\p{S}"),
]


def is_character(code_point: int) -> bool:
    return not 0xD800 <= code_point < 0xE000


def members(expression: str) -> set[int]:
    """The code points that match, found by cutting them out of a text of all code points."""
    found = set()
    split = Split(Regex(expression), "isolated")
    for first in range(0, CODE_POINT_END, 4096):
        points = [point for point in range(first, first + 4096) if is_character(point)]
        text = "".join(f"\ue000{chr(point)}" if point != 0xE000 else "" for point in points)
        for piece, _ in split.pre_tokenize_str(text):
            if len(piece) == 1 and piece != "\ue000":
                found.add(ord(piece))
    return found


def composition_seconds() -> set[int]:
    """Code points that may compose with one before them."""
    seconds = set(range(0x1161, 0x1176)) | set(range(0x11A7, 0x11C3))  # vowels and trailing consonants of Hangul
    for point in filter(is_character, range(CODE_POINT_END)):
        parts = unicodedata.decomposition(chr(point))
        if parts and not parts.startswith("<") and len(parts.split()) == 2:
            seconds.add(int(parts.split()[1], 16))
    return seconds


def nfc_inert() -> set[int]:
    seconds = composition_seconds()
    return {
        point
        for point in filter(is_character, range(CODE_POINT_END))
        if unicodedata.category(chr(point)) != "Cn"
        and unicodedata.combining(chr(point)) == 0
        and unicodedata.normalize("NFC", chr(point)) == chr(point)
        and point not in seconds
    }


def main() -> None:
    sets = [(name, members(expression)) for name, expression in CLASSES]
    for index, (name, points) in enumerate(sets):
        for other_name, other in sets[index + 1 :]:
            assert not points & other, f"{name} and {other_name} overlap"
    class_of = {point: number for number, (_, points) in enumerate(sets, 1) for point in points}
    inert = nfc_inert()
    ranges, previous = [], None
    for point in range(CODE_POINT_END):
        value = class_of.get(point, 0) | (0x10 if point in inert else 0)
        if value != previous:
            ranges.append((point, value))
            previous = value
    print("// Made by tools/make_unicode_classes.py: do not edit.")
    print('#include "text/unicode_class.h"\n')
    print("namespace pelton {\n")
    print("// The first code point of a range, times 32, plus its class, plus 16 where NFC leaves it alone.")
    print("// clang-format off")
    print(f"const std::array<uint32_t, {len(ranges)}> kUnicodeClassRanges = {{")
    line = ""
    for point, value in ranges:
        number = f"{point * 32 + value:#x},"
        if len(line) + len(number) > 118:
            print(" " + line)
            line = ""
        line += " " + number if not line else number
    print(" " + line)
    print("};\n// clang-format on\n\n}  // namespace pelton")
    print(f"{len(ranges)} ranges", file=sys.stderr)


if __name__ == "__main__":
    main()
