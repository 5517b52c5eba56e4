// What clients ask for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"

namespace pelton {

struct LoadPrompt {
  std::string text;
  int64_t max_tokens = 0;  // of the answer
};

struct SyntheticWorkload {
  int64_t prompt_token_count = 90;  // of a request, with its shared prefix and what the template adds
  int64_t answer_token_count = 64;
  int64_t shared_prefix_token_count = 0;  // the same for all
};
// "in=90,out=64,shared-prefix=0", any of them. Error kUsage.
SyntheticWorkload parse_synthetic(std::string_view text);

// What a number of our words costs on some server: tokens = base + per_word × words.
struct TokenCost {
  double base = 0;
  double per_word = 1;
};
TokenCost fit_token_cost(int64_t words_a, int64_t tokens_a, int64_t words_b, int64_t tokens_b);

// `count` short common English words, no two texts alike for different states of `rng`.
std::string random_words(int64_t count, Rng& rng);
std::vector<LoadPrompt> synthetic_prompts(const SyntheticWorkload& workload, const TokenCost& cost, int64_t count,
                                          Rng& rng);

// ShareGPT's form: [{"conversations": [{"from": "human", "value": …}, {"from": "gpt", "value": …}, …]}, …]. The first
// question of each, with as many answer tokens as its answer had bytes / 4; those with fewer than 4 or more than
// `token_count_max` tokens are left out. Error kInvalidArgument: not that form, or nothing left.
std::vector<LoadPrompt> sharegpt_prompts(std::string_view json_text, int64_t token_count_max);

}  // namespace pelton
