#include "text/pair_template.h"

#include <gtest/gtest.h>

namespace pelton {
namespace {

// "101 A:0 102 B:1", every piece with its type.
std::string described(const char* post_processor) {
  const json::object tokenizer = {{"post_processor", json::parse(post_processor)}};
  const auto pair = read_pair_template(tokenizer);
  if (!pair) return "none";
  std::string text;
  using Kind = PairTemplate::Piece::Kind;
  for (const PairTemplate::Piece& piece : pair->pieces) {
    text += piece.kind == Kind::kToken       ? std::to_string(index_of(piece.token))
            : piece.kind == Kind::kFirstText ? "A"
                                             : "B";
    text += ":" + std::to_string(piece.type) + " ";
  }
  return text;
}

constexpr const char* kTemplate = R"({"type": "TemplateProcessing",
  "pair": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
           {"SpecialToken": {"id": "</s>", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
  "special_tokens": {"<s>": {"id": "<s>", "ids": [5], "tokens": ["<s>"]},
                     "</s>": {"id": "</s>", "ids": [6, 7], "tokens": ["</s>", "x"]}}})";

TEST(PairTemplate, IsReadOffEachPostProcessor) {
  EXPECT_EQ(described(kTemplate), "5:0 A:0 6:0 7:0 B:1 ");
  EXPECT_EQ(described(R"({"type": "BertProcessing", "sep": ["[SEP]", 102], "cls": ["[CLS]", 101]})"),
            "101:0 A:0 102:0 B:1 102:1 ");
  EXPECT_EQ(described(R"({"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": true})"),
            "0:0 A:0 2:0 2:0 B:0 2:0 ");
  const std::string sequence =
      R"({"type": "Sequence", "processors": [{"type": "ByteLevel"}, )" + std::string(kTemplate) + "]}";
  EXPECT_EQ(described(sequence.c_str()), "5:0 A:0 6:0 7:0 B:1 ");
}

TEST(PairTemplate, WhatMakesNoSenseIsNone) {
  for (const char* processor :
       {"null", "3", "[]", "{}", R"({"type": "ByteLevel"})", R"({"type": "Other"})",
        R"({"type": "BertProcessing", "sep": ["[SEP]"], "cls": ["[CLS]", 101]})",
        R"({"type": "BertProcessing", "sep": ["[SEP]", -1], "cls": ["[CLS]", 101]})",
        R"({"type": "TemplateProcessing", "pair": [{"Sequence": {"id": "A", "type_id": 0}}], "special_tokens": {}})",
        R"({"type": "TemplateProcessing", "pair": [{"Sequence": {"id": "C", "type_id": 0}}], "special_tokens": {}})",
        R"({"type": "TemplateProcessing", "pair": [{"SpecialToken": {"id": "x", "type_id": 0}}]})",
        R"({"type": "Sequence", "processors": [3]})",
        R"({"type": "Sequence", "processors": [{"type": "RobertaProcessing", "sep": ["a", 1], "cls": ["b", 2]},
                                               {"type": "RobertaProcessing", "sep": ["a", 1], "cls": ["b", 2]}]})"}) {
    EXPECT_EQ(described(processor), "none") << processor;
  }
  EXPECT_FALSE(read_pair_template({}));
}

}  // namespace
}  // namespace pelton
