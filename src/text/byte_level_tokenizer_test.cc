#include "text/byte_level_tokenizer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <thread>

#include "base/error.h"
#include "text/golden_tokenizers.h"
#include "text/hostile_text.h"
#include "text/pre_tokenizer.h"
#include "text/reference_tokenizer.h"

namespace pelton {
namespace {

using testing::HasSubstr;

std::shared_ptr<const Tokenizer> library_tokenizer(const json::object& tokenizer) {
  return std::make_shared<ReferenceTokenizer>(json::serialize(tokenizer), read_tokenizer_facts(tokenizer));
}

std::shared_ptr<const Tokenizer> our_tokenizer(const json::object& tokenizer) {
  const auto made = Tokenizer::from_json(json::serialize(tokenizer));
  EXPECT_EQ(made->encoder(), "Pelton's own");
  return made;
}

struct Answer {
  std::vector<int32_t> ids;
  std::string error;
  friend bool operator==(const Answer&, const Answer&) = default;
  friend void PrintTo(const Answer& answer, std::ostream* out) {
    *out << testing::PrintToString(answer.ids) << " " << answer.error;
  }
};

Answer answer_of(const std::function<std::vector<TokenId>()>& encode) {
  try {
    return {ids_of(encode()), ""};
  } catch (const Error& error) {
    return {{}, error.message()};
  }
}

void expect_same(const Tokenizer& ours, const Tokenizer& library, const std::string& text) {
  for (const bool parse_special : {true, false}) {
    for (const bool add_special : {true, false}) {
      const EncodeOptions options = {.parse_special = parse_special, .add_special = add_special};
      ASSERT_EQ(answer_of([&] { return ours.encode(text, options); }),
                answer_of([&] { return library.encode(text, options); }))
          << "parse_special " << parse_special << ", text " << testing::PrintToString(text);
    }
  }
  if (find_invalid_utf8(text)) return;
  const auto every_other = [&](const Tokenizer& tokenizer) {
    std::vector<AddedTokenMatch> matches = tokenizer.find_added_tokens(text);
    for (size_t i = 0; i < matches.size(); ++i) matches.erase(matches.begin() + static_cast<std::ptrdiff_t>(i));
    return answer_of([&] { return tokenizer.encode_with(text, matches); });
  };
  ASSERT_EQ(every_other(ours), every_other(library)) << testing::PrintToString(text);
}

void expect_same_on_hostile_texts(const json::object& tokenizer, uint64_t seed, int count) {
  const auto ours = our_tokenizer(tokenizer);
  const auto library = library_tokenizer(tokenizer);
  HostileText texts(seed);
  for (int i = 0; i < count; ++i) {
    SCOPED_TRACE(fmt::format("seed {}, text {}", seed, i));
    ASSERT_NO_FATAL_FAILURE(expect_same(*ours, *library, texts.next()));
  }
}

class GoldenFamily : public testing::TestWithParam<const char*> {};

TEST_P(GoldenFamily, IdsAreTheLibrarys) {
  json::object tokenizer = read_golden(GetParam()).at("tokenizer").as_object();
  expect_same_on_hostile_texts(tokenizer, 1, 500);
  // With tokens that take white space along or see the normalised text.
  json::array& added = tokenizer.at("added_tokens").as_array();
  added[0].as_object()["rstrip"] = true;
  added[1].as_object()["lstrip"] = true;
  added[1].as_object()["normalized"] = true;
  added[2].as_object()["normalized"] = true;
  added[2].as_object()["rstrip"] = true;
  expect_same_on_hostile_texts(tokenizer, 2, 300);
}

INSTANTIATE_TEST_SUITE_P(Families, GoldenFamily, testing::Values("gpt-2", "smollm", "llama-bpe", "qwen2"));

// As SmolLM's vocabulary: such bytes vanish, and their neighbours merge.
TEST(ByteLevelTokenizer, LeavesOutBytesWithoutAToken) {
  json::object tokenizer = read_golden("gpt-2").at("tokenizer").as_object();
  json::object renamed;
  for (const auto& [spelling, id] : tokenizer.at("model").at("vocab").as_object()) {
    const std::string_view name = spelling;  // of the bytes 0, 4, 0x7F and 0xF4
    const bool is_lost = name == "\u0100" || name == "\u0104" || name == "\u0121" || name == "\u00F4";
    renamed[is_lost ? "lost " + std::string(name) : std::string(name)] = id;
  }
  ASSERT_EQ(renamed.size(), tokenizer.at("model").at("vocab").as_object().size());
  tokenizer.at("model").as_object()["vocab"] = renamed;
  expect_same_on_hostile_texts(tokenizer, 6, 300);
  for (const size_t size : {31, 32, 33, 100}) {
    EXPECT_TRUE(our_tokenizer(tokenizer)->encode(std::string(size, '\4'), {}).empty());
  }
  tokenizer.at("model").as_object()["unk_token"] = "a";
  EXPECT_EQ(Tokenizer::from_json(json::serialize(tokenizer))->encoder(), "Hugging Face's tokenizers");
}

TEST(ByteLevelTokenizer, AddsWhatATemplateSays) {
  json::object tokenizer = read_golden("gpt-2").at("tokenizer").as_object();
  const auto piece = [](const char* kind, const char* id) {
    return json::object{{kind, json::object{{"id", id}, {"type_id", 0}}}};
  };
  const auto special = [](const char* name, json::array ids) {
    json::array names;
    for (size_t i = 0; i < ids.size(); ++i) names.emplace_back(name);
    return json::object{{"id", name}, {"ids", std::move(ids)}, {"tokens", std::move(names)}};
  };
  tokenizer["post_processor"] = {
      {"type", "Sequence"},
      {"processors",
       json::array{
           byte_level(true),
           json::object{
               {"type", "TemplateProcessing"},
               {"single", json::array{piece("SpecialToken", "B"), piece("Sequence", "A"), piece("SpecialToken", "E")}},
               {"pair", json::array{piece("Sequence", "A"), piece("Sequence", "B")}},
               {"special_tokens", json::object{{"B", special("B", {0})}, {"E", special("E", {1, 0})}}}}}}};
  expect_same_on_hostile_texts(tokenizer, 3, 200);
  EXPECT_EQ(ids_of(our_tokenizer(tokenizer)->encode("", {})), (std::vector<int32_t>{0, 1, 0}));
}

TEST(ByteLevelTokenizer, OneWayForEverythingElse) {
  const json::object gpt2 = read_golden("gpt-2").at("tokenizer").as_object();
  const auto encoder_with = [&](const std::function<void(json::object&)>& change) {
    json::object tokenizer = gpt2;
    change(tokenizer);
    return std::string(Tokenizer::from_json(json::serialize(tokenizer))->encoder());
  };
  const auto model = [](json::object& t) -> json::object& { return t.at("model").as_object(); };
  EXPECT_EQ(encoder_with([](json::object&) {}), "Pelton's own");
  const std::function<void(json::object&)> kOthers[] = {
      [](auto& t) {
        t["normalizer"] = json::object{{"type", "NFKC"}};
      },
      [](auto& t) { t["pre_tokenizer"].as_object()["add_prefix_space"] = true; },
      [](auto& t) {
        t["pre_tokenizer"] = json::object{{"type", "Whitespace"}};
      },
      [](auto& t) { t["pre_tokenizer"] = nullptr; },
      [](auto& t) { t["added_tokens"].as_array()[0].as_object()["single_word"] = true; },
      [&](auto& t) { model(t)["dropout"] = 0.0; },
      [&](auto& t) { model(t)["end_of_word_suffix"] = "@"; },
      [&](auto& t) {  // two tokens of one id
        json::object& vocabulary = model(t).at("vocab").as_object();
        const json::value id = vocabulary.at("a");
        vocabulary["a new one"] = id;
      },
  };
  for (const auto& change : kOthers) EXPECT_EQ(encoder_with(change), "Hugging Face's tokenizers");
}

TEST(ByteLevelTokenizer, FindsTokensAsTheLibraryDoes) {
  const json::object golden = read_golden("gpt-2").at("tokenizer").as_object();
  const auto ours = our_tokenizer(golden);
  const auto library = library_tokenizer(golden);
  for (const auto& [spelling, id] : golden.at("model").at("vocab").as_object()) {
    EXPECT_EQ(ours->find(spelling), library->find(spelling));
    EXPECT_EQ(index_of(*ours->find(spelling)), id.to_number<int32_t>());
  }
  for (const char* other : {"<|im_start|>", "<tool>", "", " ", "no such", "\xFF"}) {
    EXPECT_EQ(ours->find(other), library->find(other)) << other;
  }
}

TEST(ByteLevelTokenizer, RefusesInvalidUtf8AsTheLibraryDoes) {
  const json::object golden = read_golden("qwen2").at("tokenizer").as_object();
  const auto ours = our_tokenizer(golden);
  const auto library = library_tokenizer(golden);
  HostileText texts(4);
  for (int i = 0; i < 300; ++i) {
    std::string text = texts.next() + "12345678";
    text[static_cast<size_t>(i) % text.size()] = static_cast<char>(0x80 + i % 0x80);
    ASSERT_NO_FATAL_FAILURE(expect_same(*ours, *library, text));
  }
}

TEST(ByteLevelTokenizer, ManyThreadsGetTheSame) {
  const auto tokenizer = our_tokenizer(read_golden("llama-bpe").at("tokenizer").as_object());
  HostileText texts(5);
  std::string text;
  while (text.size() < 20'000) text += texts.next();
  const std::vector<TokenId> expected = tokenizer->encode(text, {});
  std::vector<std::thread> threads;
  for (int t = 0; t < 12; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) EXPECT_EQ(tokenizer->encode(text, {}), expected);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace pelton
