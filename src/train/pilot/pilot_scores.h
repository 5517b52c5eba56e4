// What a pilot has measured: scores of the same held-out answers, of the model as it was and of all finetuned ones.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/answer_score.h"

namespace pelton {

// Of each record of the eval, in order.
using AnswerScores = std::vector<AnswerScore>;

struct PilotSetScores {
  std::string name;
  int64_t record_count = 0;                          // that could be learnt from
  int64_t leaked_count = 0;                          // of its records, those left out since the eval has them too
  int64_t nearly_leaked_count = 0;                   // of these, those that it has nearly (train/pilot/eval_leaks.h)
  std::vector<std::vector<AnswerScores>> runs = {};  // by size, then by seed
  // Of the model without finetuning, behind examples of the set, by seed. Empty: it was not asked so.
  std::vector<AnswerScores> few_shot = {};
  double mean_shot_count = 0;  // examples that left room for the question
};

struct PilotScores {
  std::vector<int64_t> sizes;   // ascending
  std::vector<uint64_t> seeds;  // of the order of the data, and of training; the same for all sizes and sets
  AnswerScores base = {};       // of the model without finetuning
  int64_t shot_count = 0;       // examples before a question, where there is room; 0: nobody was asked so
  std::vector<PilotSetScores> sets = {};
};

// Answers of so few tokens can be asked for word by word; of longer ones the likelihood alone says something.
inline constexpr int64_t kShortAnswerTokensMax = 32;

}  // namespace pelton
