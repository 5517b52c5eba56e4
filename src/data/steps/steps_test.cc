// Each step by its name and options; what it does with text is tested beside the function that does it.
#include <fmt/format.h>

#include <fstream>

#include "base/error.h"
#include "base/golden_dir.h"
#include "data/steps/step_test_run.h"

namespace pelton::data {
namespace {

using Action = Verdict::Action;

constexpr std::string_view kProse =
    "The river rose in the night and took the bridge with it. In the morning the people of the town stood on both of "
    "its "
    "banks and looked at each other. Nobody had a boat that was large enough to carry more than two of them. They "
    "waited "
    "until the water went down, and that took a week. Then they began to build a new bridge, of stone this time.";

TEST(Steps, UnknownNamesAndOptionsAreRefused) {
  EXPECT_THROW(StepTestRun("no_such_step"), Error);
  for (const StepType& type : step_types()) {
    EXPECT_THROW(StepTestRun(type.name, R"({"no_such_option": 1})"), Error) << type.name;
  }
  EXPECT_THROW(StepTestRun("minhash", R"({"verify": 2})"), Error);
  EXPECT_THROW(StepTestRun("license"), Error);
  EXPECT_THROW(StepTestRun("decontaminate"), Error);
  EXPECT_THROW(StepTestRun("personal_data", R"({"kinds": ["shoe_size"]})"), Error);
  EXPECT_THROW(StepTestRun("split", R"({"test": 0.6, "validation": 0.6})"), Error);
}

TEST(Steps, CounterfactualTermsArePairs) {
  EXPECT_THROW(StepTestRun("counterfactual", R"({"terms": ["christian"]})"), Error);
  EXPECT_THROW(StepTestRun("counterfactual", R"({"swap": "terms"})"), Error);
}

TEST(Steps, QualityFilters) {
  for (const std::string_view name : {"gopher_quality", "gopher_repetition", "fineweb", "c4"}) {
    StepTestRun run(name);
    run.add_text(kProse);
    run.add_text("1 2 3");
    EXPECT_EQ(run.apply()[0].action, Action::kKeep) << name;
  }
  StepTestRun quality("gopher_quality");
  quality.add_text("Too short.");
  EXPECT_EQ(quality.apply()[0].reason, "gopher_short_doc");
  StepTestRun lenient("gopher_quality", R"({"words_min": 2, "stop_words_min": 0, "letter_words_min": 0})");
  lenient.add_text("Just words.");
  EXPECT_EQ(lenient.apply()[0].action, Action::kKeep);

  StepTestRun c4("c4", R"({"sentences_min": 1})");
  c4.add_text("Menu\nThis line is a sentence.");
  const Verdict verdict = c4.apply()[0];
  EXPECT_EQ(verdict.action, Action::kChange);
  EXPECT_EQ(verdict.reason, "lines_removed");
  EXPECT_EQ(c4.record(0).text, "This line is a sentence.");
}

TEST(Steps, PersonalData) {
  StepTestRun mask("personal_data");
  mask.add_chat("I am bob@firma.de", "Hello, bob@firma.de from 64.160.173.73");
  mask.add_text("nothing here");
  const std::vector<Verdict> verdicts = mask.apply();
  EXPECT_EQ(verdicts[0].reason, "personal_data_masked");
  EXPECT_EQ(verdicts[0].detail, "2 email, 1 ip");
  EXPECT_EQ(mask.record(0).messages[1].content, "Hello, [EMAIL] from [IP]");
  EXPECT_EQ(verdicts[1].action, Action::kKeep);

  StepTestRun replace("personal_data", R"({"action": "replace"})");
  replace.add_chat("I am bob@firma.de", "bob@firma.de");
  EXPECT_EQ(replace.apply()[0].reason, "personal_data_replaced");
  EXPECT_EQ(replace.record(0).messages[0].content, fmt::format("I am {}", replace.record(0).messages[1].content));

  StepTestRun drop("personal_data", R"({"action": "drop", "kinds": "ip"})");
  drop.add_text("bob@firma.de");
  drop.add_text("64.160.173.73");
  EXPECT_EQ(drop.apply()[0].action, Action::kKeep);
  EXPECT_EQ(drop.apply()[1].reason, "personal_data");
}

TEST(Steps, Phrases) {
  StepTestRun refusals("phrases", R"({"lists": ["refusal"], "in": "answers", "within_words": 8})");
  refusals.add_chat("Say: I must decline.", "I must decline.");
  refusals.add_chat("I must decline", "Yes.");
  refusals.add_chat("?", "I’M SORRY - but I cannot do that, and I must decline.");
  refusals.add_chat("?", "One two three four five six seven eight, I must decline.");
  refusals.add_text("I must decline");
  const std::vector<Verdict> verdicts = refusals.apply();
  EXPECT_EQ(verdicts[0].reason, "listed_phrase");
  EXPECT_EQ(verdicts[0].detail, "\"I must decline\" in an answer");
  EXPECT_EQ(verdicts[1].action, Action::kKeep);
  EXPECT_EQ(verdicts[2].detail, "\"I'm sorry, but I cannot\" in an answer") << "the other one is too far behind";
  EXPECT_EQ(verdicts[3].action, Action::kKeep);
  EXPECT_EQ(verdicts[4].action, Action::kKeep);

  const std::string path = std::filesystem::path(testing::TempDir()) / "words.txt";
  std::ofstream(path) << "# a list\r\ndarn\r\n\nblast it\n";
  StepTestRun mask("phrases", fmt::format(R"({{"files": "{}", "phrases": "blast", "action": "mask"}})", path));
  mask.add_text("“Darn!” — BLAST  it, he said; blasted darn\xff");
  mask.add_text("nothing");
  const std::vector<Verdict> masked = mask.apply();
  EXPECT_EQ(masked[0].reason, "phrases_masked");
  EXPECT_EQ(masked[0].detail, "\"darn\" in the text, and 2 more");
  EXPECT_EQ(mask.record(0).text, "“[…]!” — […], he said; blasted […]\xff") << "of two that begin alike the longer";
  EXPECT_EQ(masked[1].action, Action::kKeep);

  StepTestRun note("phrases", R"({"phrases": ["a b"], "action": "note", "field": "n"})");
  note.add_chat("a b a b", "a, b");
  EXPECT_EQ(note.apply()[0].reason, "phrases_noted");
  EXPECT_EQ(std::get<double>(find_field(note.record(0), "n")->value), 3);

  StepTestRun tolerant("phrases", R"({"phrases": ["x"], "tolerated": 1})");
  tolerant.add_text("x");
  tolerant.add_text("x x");
  EXPECT_EQ(tolerant.apply()[0].action, Action::kKeep);
  EXPECT_EQ(tolerant.apply()[1].action, Action::kDrop);

  EXPECT_THROW(StepTestRun("phrases"), Error);
  EXPECT_THROW(StepTestRun("phrases", R"({"lists": ["no such"]})"), Error);
  EXPECT_THROW(StepTestRun("phrases", R"({"files": "/no/such/file"})"), Error);
}

TEST(Steps, Decontaminate) {
  const std::string path = std::filesystem::path(testing::TempDir()) / "evaluation.jsonl";
  std::ofstream(path) << R"({"id": "e1", "question": "Which river took the bridge of the town with it in the night?"})"
                      << "\n";
  StepTestRun run("decontaminate", fmt::format(R"({{"evaluation": "{}"}})", path));
  run.add_text("Before: WHICH river took the bridge of the town, with it, in the night! After.");
  run.add_text(kProse);
  const std::vector<Verdict> verdicts = run.apply();
  EXPECT_EQ(verdicts[0].reason, "evaluation_item");
  EXPECT_NE(verdicts[0].detail.find("e1, 100 % of it:"), std::string::npos) << verdicts[0].detail;
  EXPECT_EQ(verdicts[1].action, Action::kKeep);
  EXPECT_THROW(StepTestRun("decontaminate", R"({"evaluation": "/no/such/file.json"})"), Error);
}

TEST(Steps, Format) {
  StepTestRun run("format");
  run.add_text("cafÃ©\u200B   au  lait\r\n");
  run.add_text("fine");
  const std::vector<Verdict> verdicts = run.apply();
  EXPECT_EQ(verdicts[0].reason, "format_repaired");
  EXPECT_EQ(verdicts[0].detail, "mojibake, invisible, whitespace");
  EXPECT_EQ(run.record(0).text, "café au lait");
  EXPECT_EQ(verdicts[1].action, Action::kKeep);
}

TEST(Steps, Language) {
  StepTestRun run("language", R"({"keep": ["en"], "field": "lang"})");
  run.add_text(kProse);
  run.add_text("Der schnelle braune Fuchs springt über den faulen Hund und läuft in den Wald.");
  const std::vector<Verdict> verdicts = run.apply();
  EXPECT_EQ(verdicts[0].reason, "language_noted");
  EXPECT_EQ(std::get<std::string_view>(find_field(run.record(0), "lang")->value), "en");
  EXPECT_EQ(verdicts[1].reason, "other_language");
}

TEST(Steps, CounterfactualTwinsSayWhoseTheyAre) {
  StepTestRun run("counterfactual");
  run.add_chat("What does he do?", "Her father is a waiter.").id = "chat";
  run.add_text("Nobody is spoken of.");
  const std::vector<Verdict> verdicts = run.apply();
  EXPECT_EQ(verdicts[0].reason, "counterfactual");
  EXPECT_EQ(verdicts[0].detail, "he → she, and 3 more");
  EXPECT_EQ(run.record(0).messages[0].content, "What does she do?");
  EXPECT_EQ(run.record(0).messages[1].content, "His mother is a waitress.");
  EXPECT_EQ(std::get<std::string_view>(find_field(run.record(0), "counterfactual_of")->value), "chat");
  EXPECT_EQ(verdicts[1].action, Action::kDrop);
  EXPECT_EQ(verdicts[1].reason, "no_counterfactual");
}

TEST(Steps, CounterfactualTermsOfOnesOwn) {
  StepTestRun run("counterfactual", R"({"swap": "terms", "terms": ["christian=muslim"], "keep_others": true})");
  run.add_text("She is a Christian.");
  run.add_text("She is here.");
  const std::vector<Verdict> verdicts = run.apply();
  EXPECT_EQ(run.record(0).text, "She is a Muslim.");
  EXPECT_EQ(verdicts[1].action, Action::kKeep);
}

TEST(Steps, License) {
  const auto reason = [](std::string_view options, std::string_view license) {
    StepTestRun run("license", options);
    run.add_text("text");
    if (!license.empty()) set_field(run.record(0), "license", license, run.arena());
    return run.apply()[0].reason;
  };
  constexpr std::string_view kAllow = R"({"allow": ["apache-2.0", "MIT"]})";
  EXPECT_EQ(reason(kAllow, "Apache 2.0"), "");
  EXPECT_EQ(reason(kAllow, "GPL-3.0"), "license_not_allowed");
  EXPECT_EQ(reason(kAllow, ""), "license_unknown");
  EXPECT_EQ(reason(kAllow, "unknown"), "license_unknown");
  EXPECT_EQ(reason(R"({"allow": "mit", "unknown": "keep"})", ""), "");
}

TEST(Steps, Length) {
  const auto reason = [](std::string_view options) {
    StepTestRun run("length", options);
    run.add_chat("Is it so?", "Yes, and here is very much more than anybody asked for.");
    return run.apply()[0].reason;
  };
  EXPECT_EQ(reason("{}"), "");
  EXPECT_EQ(reason(R"({"characters_min": 1000})"), "too_short");
  EXPECT_EQ(reason(R"({"words_max": 5})"), "too_many_words");
  EXPECT_EQ(reason(R"({"turns_min": 3})"), "too_few_turns");
  EXPECT_EQ(reason(R"({"answer_ratio_max": 2})"), "too_verbose");
}

TEST(Steps, MinHash) {
  StepTestRun run("minhash", R"({"keep": "longest"})");
  run.add_text(kProse);
  run.add_text("Another text that has nothing to do with any of the others.");
  run.add_text(std::string(kProse) + " It still stands.");
  const auto decisions = run.decide();
  ASSERT_EQ(decisions.size(), 1u);
  const Decision& decision = decisions.at(0);
  EXPECT_EQ(decision.reason, "near_duplicate");
  EXPECT_EQ(decision.duplicate_of, 2u);
  EXPECT_GT(decision.similarity, 0.8);
}

TEST(Steps, SplitKeepsNearDuplicatesTogether) {
  StepTestRun run("split", R"({"test": 0.3, "validation": 0.3})");
  for (int i = 0; i < 60; ++i) {
    std::string text;
    for (int word = 0; word < 50; ++word) text += fmt::format("w{} ", (i + 1) * 1009 * (word + 7) % 7919);
    run.add_text(text);
    run.add_text(text + "and a little more");
  }
  EXPECT_EQ(run.decide().size(), 120u);
  std::map<std::string, int> counts;
  for (size_t i = 0; i < 120; i += 2) {
    const auto split = [&](size_t record) {
      return std::get<std::string_view>(find_field(run.record(record), "split")->value);
    };
    EXPECT_EQ(split(i), split(i + 1));
    ++counts[std::string(split(i))];
  }
  EXPECT_GT(counts["train"], 10);
  EXPECT_GT(counts["validation"], 5);
  EXPECT_GT(counts["test"], 5);
}

std::string golden_encoder(std::string_view options) {
  return fmt::format(R"({{"model": "{}/encoder/bert", "activations": "f32"{}}})", kGoldenDir, options);
}

// Three texts with a copy each but for the case, and one without.
constexpr std::string_view kFewTexts[] = {"the cat sat on the mat", "red fire, blue water",
                                          "The CAT sat on the mat", " \n",
                                          "they play and we eat",   "Red fire, blue water"};

TEST(Steps, SemanticDuplicates) {
  StepTestRun run("semantic_duplicates", golden_encoder(R"(, "similarity": 0.999, "keep": "best", "score": "stars")"));
  for (const std::string_view text : kFewTexts) run.add_text(text);
  run.add_text("");
  set_field(run.record(2), "stars", 3.0, run.arena());
  const auto decisions = run.decide();
  ASSERT_EQ(decisions.size(), 2u);
  EXPECT_EQ(decisions.at(0).reason, "semantic_duplicate");
  EXPECT_EQ(decisions.at(0).duplicate_of, 2u);
  EXPECT_NEAR(*decisions.at(0).similarity, 1, 1e-6);
  EXPECT_EQ(decisions.at(5).duplicate_of, 1u);

  StepTestRun answers("semantic_duplicates", golden_encoder(R"(, "similarity": 0.999, "in": "answers")"));
  answers.add_chat("hello", "the cat sat");
  answers.add_chat("do you play?", "The cat sat");
  answers.add_chat("hello", "a dog ran");
  answers.add_text("the cat sat");
  const auto of_answers = answers.decide();
  ASSERT_EQ(of_answers.size(), 1u) << "a text is no answer";
  EXPECT_EQ(of_answers.at(1).duplicate_of, 0u);

  EXPECT_THROW(StepTestRun("semantic_duplicates"), Error);
  EXPECT_THROW(StepTestRun("semantic_duplicates", golden_encoder(R"(, "similarity": 1.5)")), Error);
  EXPECT_THROW(StepTestRun("semantic_duplicates", golden_encoder(R"(, "pooling": "max")")), Error);
}

// Of each record, by its number.
std::vector<std::string> splits_of(StepTestRun& run, size_t count) {
  std::vector<std::string> splits;
  for (size_t i = 0; i < count; ++i) {
    splits.emplace_back(std::get<std::string_view>(find_field(run.record(i), "split")->value));
  }
  return splits;
}

TEST(Steps, SplitKeepsWhatMeansTheSameTogether) {
  // The tiny encoder's vectors do not see case, and see the order of words; MinHash of one word sees neither.
  const auto reasons_of = [](std::string_view options) {
    StepTestRun run("split", options);
    for (const std::string_view text : kFewTexts) run.add_text(text);
    run.add_text("blue water, red fire");
    std::vector<std::string> reasons;
    const auto decisions = run.decide();
    for (const auto& [record, decision] : decisions) reasons.emplace_back(decision.reason);
    const std::vector<std::string> splits = splits_of(run, reasons.size());
    EXPECT_EQ(splits[1], splits[5]);
    for (size_t i = 0; i < splits.size(); ++i) {
      const std::string in_group = reasons[i] == "split_noted" ? "" : ", a group of ";
      EXPECT_TRUE(decisions.at(i).detail.starts_with(splits[i] + in_group)) << decisions.at(i).detail;
    }
    return reasons;
  };
  const std::string alone = "split_noted", first = "split_of_group", next = "split_as_its_group";
  const std::vector<std::string> by_meaning = {first, first, next, alone, alone, next, alone};
  EXPECT_EQ(reasons_of(golden_encoder(R"(, "similarity": 0.99999, "group": "meaning", "test": 0.4)")), by_meaning);
  const std::vector<std::string> by_both = {first, first, next, alone, alone, next, next};
  EXPECT_EQ(reasons_of(golden_encoder(R"(, "similarity": 0.99999, "group": "both", "ngram": 1, "test": 0.4)")),
            by_both);
  EXPECT_EQ(reasons_of(R"({"ngram": 1, "test": 0.4})"), by_both);
}

TEST(Steps, SplitRefusesOptionsOfAnotherGrouping) {
  const auto refused = [](std::string_view options, std::string_view what) {
    try {
      StepTestRun run("split", options);
      ADD_FAILURE() << options;
    } catch (const Error& error) {
      EXPECT_NE(error.message().find(what), std::string::npos) << error.message();
    }
  };
  refused(R"({"model": "m"})", "split.model: expected nothing unless records are grouped by that too (group: meaning");
  refused(R"({"similarity": 0.9, "group": "words"})", "split.similarity");
  refused(golden_encoder(R"(, "group": "meaning", "ngram": 3)"), "(group: words or both)");
  refused(R"({"group": "meaning"})", "split.model");
  refused(R"({"group": "topic"})", "one of words, meaning, both");
}

TEST(Steps, Cluster) {
  StepTestRun run("cluster", golden_encoder(R"(, "clusters": 3, "similarity_field": "near")"));
  for (const std::string_view text : kFewTexts) run.add_text(text);
  const auto decisions = run.decide();
  EXPECT_EQ(decisions.size(), 5u) << "one has no text";
  const auto number = [&](size_t record, std::string_view field) {
    return std::get<double>(find_field(run.record(record), field)->value);
  };
  EXPECT_EQ(decisions.at(0).reason, "cluster_noted");
  EXPECT_EQ(number(0, "topic"), number(2, "topic"));
  EXPECT_EQ(number(1, "topic"), number(5, "topic"));
  EXPECT_EQ(number(4, "topic"), 2) << "the smallest cluster has the last number";
  EXPECT_NE(number(0, "topic"), number(1, "topic"));
  EXPECT_EQ(number(4, "near"), 1);
  EXPECT_EQ(find_field(run.record(3), "topic"), nullptr);

  StepTestRun too_many("cluster", golden_encoder(R"(, "clusters": 6)"));
  for (const std::string_view text : kFewTexts) too_many.add_text(text);
  try {
    too_many.decide();
    ADD_FAILURE() << "6 clusters of 5 records";
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "cluster: clusters is 6, and there are 5 records with text");
  }
  EXPECT_THROW(StepTestRun("cluster", golden_encoder(R"(, "field": "")")), Error);
}

TEST(Steps, Diverse) {
  for (const std::string_view method : {"k_center", "facility_location"}) {
    StepTestRun run("diverse", golden_encoder(fmt::format(R"(, "count": 3, "method": "{}")", method)));
    for (const std::string_view text : kFewTexts) run.add_text(text);
    const auto decisions = run.decide();
    ASSERT_EQ(decisions.size(), 3u) << method;
    EXPECT_EQ(decisions.at(3).reason, "no_text");
    EXPECT_EQ(decisions.contains(0) + decisions.contains(2), 1) << method << ": one of two that are the same stays";
    EXPECT_EQ(decisions.contains(1) + decisions.contains(5), 1) << method;
    const uint64_t gone = decisions.contains(0) ? 0 : 2;
    EXPECT_EQ(decisions.at(gone).reason, "represented");
    EXPECT_EQ(decisions.at(gone).duplicate_of, 2 - gone);
    EXPECT_NEAR(*decisions.at(gone).similarity, 1, 1e-6);
  }
  StepTestRun share("diverse", golden_encoder(R"(, "share": 0.4)"));
  for (const std::string_view text : kFewTexts) share.add_text(text);
  EXPECT_EQ(share.decide().size(), 4u);

  StepTestRun too_many("diverse", golden_encoder(R"(, "count": 6)"));
  for (const std::string_view text : kFewTexts) too_many.add_text(text);
  EXPECT_THROW(too_many.decide(), Error);
  StepTestRun nothing("diverse", golden_encoder(R"(, "share": 0.5)"));
  nothing.add_text("");
  EXPECT_THROW(nothing.decide(), Error);
  EXPECT_THROW(StepTestRun("diverse", golden_encoder("")), Error);
  EXPECT_THROW(StepTestRun("diverse", golden_encoder(R"(, "count": 1, "share": 0.5)")), Error);
}

// How many of each group stay, of 80 records of "a" and 20 of "b".
std::map<std::string, int> sampled(std::string_view options) {
  StepTestRun run("sample", options);
  for (int i = 0; i < 100; ++i) {
    run.add_text(fmt::format("text {}", i));
    set_field(run.record(static_cast<size_t>(i)), "source", i % 5 == 0 ? "b" : "a", run.arena());
  }
  std::map<std::string, int> counts = {{"a", 80}, {"b", 20}};
  for (const auto& [record, decision] : run.decide()) {
    EXPECT_EQ(decision.reason, "not_sampled");
    --counts[record % 5 == 0 ? "b" : "a"];
  }
  return counts;
}

TEST(Steps, Sample) {
  using Counts = std::map<std::string, int>;
  EXPECT_EQ(sampled("{}"), (Counts{{"a", 80}, {"b", 20}}));
  EXPECT_EQ(sampled(R"({"by": "source", "size": 50})"), (Counts{{"a", 40}, {"b", 10}}));
  EXPECT_EQ(sampled(R"({"by": "source", "temperature": 1000000, "size": 30})"), (Counts{{"a", 15}, {"b", 15}}));
  EXPECT_EQ(sampled(R"({"by": "source", "weights": ["a=1", "b=1"]})"), (Counts{{"a", 20}, {"b", 20}}));
  EXPECT_EQ(sampled(R"({"by": "source", "weights": ["a=3", "b=1"], "size": 40})"), (Counts{{"a", 30}, {"b", 10}}));
  EXPECT_EQ(sampled(R"({"by": "source", "weights": "b=1"})"), (Counts{{"a", 0}, {"b", 20}}));
  EXPECT_THROW(StepTestRun("sample", R"({"by": "source", "weights": ["a"]})"), Error);

  // At most one synthetic record to three real ones; groups by flags, numbers and files.
  const SourceFile made{.path = "made.jsonl", .is_synthetic = true}, found{.path = "found.jsonl"};
  const auto kept = [&](std::string_view options) {
    StepTestRun run("sample", options);
    Counts counts = {{"synthetic", 50}, {"real", 30}};
    for (int i = 0; i < 80; ++i) {
      run.add_text(fmt::format("text {}", i));
      run.record(static_cast<size_t>(i)).source = i < 50 ? &made : &found;
      set_field(run.record(static_cast<size_t>(i)), "good", i >= 50, run.arena());
      set_field(run.record(static_cast<size_t>(i)), "stars", i < 50 ? 1.0 : 2.5, run.arena());
    }
    for (const auto& [record, decision] : run.decide()) --counts[record < 50 ? "synthetic" : "real"];
    return counts;
  };
  const Counts mixed = {{"synthetic", 10}, {"real", 30}};
  EXPECT_EQ(kept(R"({"by": "synthetic", "weights": ["synthetic=1", "real=3"]})"), mixed);
  EXPECT_EQ(kept(R"({"by": "file", "weights": ["made.jsonl=1", "found.jsonl=3"]})"), mixed);
  EXPECT_EQ(kept(R"({"by": "good", "weights": ["false=1", "true=3"]})"), mixed);
  EXPECT_EQ(kept(R"({"by": "stars", "weights": ["1=1", "2.5=3"]})"), mixed);
}

TEST(Steps, Paragraphs) {
  const std::string notice = "All rights are reserved by whoever owns this site and its pages.";
  StepTestRun run("paragraphs");
  run.add_text("First text that nobody else has, with words enough.\n\n" + notice);
  run.add_text("Second text\n\n" + notice + "\n\nThe end");
  run.add_text("ALL RIGHTS are reserved by whoever owns this site and its pages!");
  const auto decisions = run.decide();
  ASSERT_EQ(decisions.size(), 2u);
  EXPECT_EQ(decisions.at(1).reason, "paragraphs_removed");
  EXPECT_EQ(run.record(1).text, "Second text\n\nThe end");
  EXPECT_EQ(decisions.at(2).reason, "all_paragraphs_repeated");
  EXPECT_EQ(decisions.at(2).duplicate_of, 0u);
}

TEST(Paragraphs, SentencesGoOneByOne) {
  StepTestRun run("paragraphs", R"({"unit": "sentence", "words_min": 4})");
  run.add_text("We use cookies on this site. The wheel was built in 1880.");
  run.add_text("Jets hit buckets.\nWe use cookies on this site! It splits each jet. Short one.");
  run.add_text("Short one. We use cookies on this site.");
  const auto decisions = run.decide();
  ASSERT_EQ(decisions.size(), 2u);
  EXPECT_EQ(decisions.at(1).reason, "paragraphs_removed");
  EXPECT_EQ(run.record(1).text, "Jets hit buckets.\nIt splits each jet. Short one.");
  EXPECT_EQ(run.record(2).text, "Short one. ");
}

TEST(Substring, APassageIsCutWhereverItBegins) {
  const std::string passage = "the jet of water strikes the edge of each bucket";
  StepTestRun run("substring", R"({"words": 10, "left_min": 3})");
  run.add_text("In a Pelton wheel " + passage + " and leaves slowly.");
  run.add_text("As they say, The JET of water, strikes the edge of each bucket: it splits. Then it falls down.");
  run.add_text("So " + passage + ".");
  run.add_text("The jet of water strikes the edge of some bucket, which is shorter.");
  run.add_chat("Say it.", passage + " and " + passage);
  const auto decisions = run.decide();
  ASSERT_EQ(decisions.size(), 2u);
  EXPECT_EQ(decisions.at(1).reason, "passages_removed");
  EXPECT_EQ(decisions.at(1).detail, "10 of 19 words, in 1 passages");
  EXPECT_EQ(run.record(1).text, "As they say: it splits. Then it falls down.");
  EXPECT_EQ(decisions.at(2).action, Verdict::Action::kDrop);
  EXPECT_EQ(decisions.at(2).reason, "passages_repeated");
  EXPECT_EQ(decisions.at(2).duplicate_of, 0u);
}

}  // namespace
}  // namespace pelton::data
