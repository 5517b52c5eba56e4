#include "text/described_tokenizer.h"

namespace pelton {

TokenPair DescribedTokenizer::encode_pair(std::string_view first, std::string_view second) const {
  if (!facts_.pair_template) return Tokenizer::encode_pair(first, second);
  using Kind = PairTemplate::Piece::Kind;
  TokenPair pair;
  for (const PairTemplate::Piece& piece : facts_.pair_template->pieces) {
    if (piece.kind == Kind::kToken) {
      pair.tokens.push_back(piece.token);
    } else {
      const std::vector<TokenId> tokens =
          encode(piece.kind == Kind::kFirstText ? first : second, {.add_special = false});
      pair.tokens.insert(pair.tokens.end(), tokens.begin(), tokens.end());
    }
    pair.types.resize(pair.tokens.size(), piece.type);
  }
  return pair;
}

}  // namespace pelton
