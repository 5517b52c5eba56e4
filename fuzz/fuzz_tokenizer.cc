// Any text through our byte-level encoder and through the reference library: the same ids, or the same refusal. The
// first byte of the input says which tokenizer, the second how it is asked.
#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "text/golden_tokenizers.h"
#include "text/reference_tokenizer.h"
#include "text/word_expression.h"

namespace {

using namespace pelton;

struct Pair {
  std::shared_ptr<const Tokenizer> ours, library;
};

Pair make_pair_of(const json::object& tokenizer) {
  const std::string text = json::serialize(tokenizer);
  Pair pair = {Tokenizer::from_json(text), std::make_shared<ReferenceTokenizer>(text, read_tokenizer_facts(tokenizer))};
  CHECK(pair.ours->encoder() == "Pelton's own");
  return pair;
}

// Those of tests/golden, and one of them with each expression in turn.
std::vector<Pair> make_pairs() {
  std::vector<Pair> pairs;
  for (const char* name : {"gpt-2", "smollm", "llama-bpe", "qwen2"}) {
    pairs.push_back(make_pair_of(read_golden(name).at("tokenizer").as_object()));
  }
  json::object tokenizer = read_golden("qwen2").at("tokenizer").as_object();
  for (const WordExpression& row : word_expressions()) {
    json::array& cuts = tokenizer.at("pre_tokenizer").at("pretokenizers").as_array();
    cuts.at(0).as_object()["pattern"] = json::object{{"Regex", row.spelling}};
    pairs.push_back(make_pair_of(tokenizer));
  }
  return pairs;
}

std::optional<std::vector<TokenId>> encode(const Tokenizer& tokenizer, std::string_view text, int how) {
  try {
    if (how % 3 == 2) return tokenizer.encode_with(text, {});
    return tokenizer.encode(text, {.parse_special = how % 3 == 0});
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kInvalidArgument);
    return std::nullopt;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<Pair> pairs = make_pairs();
  if (size < 2) return 0;
  const Pair& pair = pairs[data[0] % pairs.size()];
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto ours = encode(*pair.ours, text, data[1]);
  CHECK(ours == encode(*pair.library, text, data[1]));
  // Without added tokens in it, a text of byte-level tokens comes back byte by byte.
  if (ours && pair.ours->find_added_tokens(text).empty() && data[0] % pairs.size() < 3) {
    CHECK(pair.ours->decode(*ours, false) == text);
  }
  return 0;
}
