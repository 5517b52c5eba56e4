#include "text/pre_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/error.h"

namespace pelton {
namespace {

json::object sequence(json::object first, json::object second) {
  return {{"type", "Sequence"}, {"pretokenizers", json::array{std::move(first), std::move(second)}}};
}

json::object split(const char* expression) {
  return {
      {"type", "Split"}, {"pattern", json::object{{"Regex", expression}}}, {"behavior", "Isolated"}, {"invert", false}};
}

// Expressions as in the published tokenizer.json files of each family.
json::value gpt2() { return byte_level(true); }

json::value smollm() {
  return sequence(json::object{{"type", "Digits"}, {"individual_digits", true}}, byte_level(true));
}

json::value llama3() {
  return sequence(
      split(
          R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"),
      byte_level(false));
}

json::value qwen2() {
  return sequence(
      split(
          R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"),
      byte_level(false));
}

json::value gpt4o() {
  return sequence(
      split(
          R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"),
      byte_level(false));
}

// No row for "default" and for files that name none: llama.cpp then cuts in a way that no model was trained with, and
// warns that the quality suffers.
constexpr PreTokenizer kPreTokenizers[] = {
    {.names = {"gpt-2", "gpt2"}, .make = gpt2, .normalizes_nfc = false, .ignores_merges = false, .adds_bos = false},
    {.names = {"smollm"}, .make = smollm, .normalizes_nfc = false, .ignores_merges = false, .adds_bos = false},
    {.names = {"llama-bpe", "llama3", "llama-v3"},
     .make = llama3,
     .normalizes_nfc = false,
     .ignores_merges = true,
     .adds_bos = true},
    {.names = {"gpt-4o"}, .make = gpt4o, .normalizes_nfc = false, .ignores_merges = true, .adds_bos = false},
    {.names = {"qwen2"}, .make = qwen2, .normalizes_nfc = true, .ignores_merges = false, .adds_bos = false},
};

}  // namespace

json::object byte_level(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}, {"use_regex", use_regex}};
}

std::span<const PreTokenizer> pre_tokenizers() { return kPreTokenizers; }

const PreTokenizer& pre_tokenizer(std::string_view name) {
  std::string known;
  for (const PreTokenizer& row : kPreTokenizers) {
    for (const std::string_view row_name : row.names) {
      if (row_name.empty()) continue;
      if (row_name == name) return row;
      known += known.empty() ? "" : ", ";
      known += row_name;
    }
  }
  throw Error(
      ErrorCode::kUnsupported,
      fmt::format("tokenizer.ggml.pre {} is not known (known: {}); convert the model again with a converter that "
                  "names its pre-tokenizer, or use its Hugging Face folder",
                  name.empty() ? "is missing, so the way to cut words" : fmt::format("\"{}\"", name), known));
}

}  // namespace pelton
