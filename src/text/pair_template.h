// How two texts become one sequence for a model that compares them, a reranker: read off a tokenizer.json's
// post-processor.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/json.h"
#include "text/token_id.h"

namespace pelton {

struct PairTemplate {
  struct Piece {
    enum class Kind : uint8_t { kFirstText, kSecondText, kToken };
    Kind kind;
    TokenId token{};   // of kToken
    int32_t type = 0;  // of its tokens: which text they count to, for models that tell them apart
  };
  std::vector<Piece> pieces;  // with each text once
};

// None: it says nothing of pairs, or nothing that makes sense: who never encodes pairs need not care.
std::optional<PairTemplate> read_pair_template(const json::object& tokenizer);

}  // namespace pelton
