#include "text/pair_merger.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <utility>

namespace pelton {
namespace {

struct RandomMerges {
  std::map<std::pair<int, int>, std::pair<uint32_t, int>> table;  // pair → rank, token
  PairMerger merger;

  // Bytes 'a' to 'd'; each merge joins two tokens that are there already.
  explicit RandomMerges(std::mt19937_64& random) : merger(bytes(), 64) {
    int next_token = 4;
    for (uint32_t rank = 0; rank < 64; ++rank) {
      const auto any = [&] { return static_cast<int>(random() % static_cast<uint64_t>(next_token)); };
      const std::pair<int, int> pair = {any(), any()};
      if (table.contains(pair)) continue;
      table[pair] = {rank, next_token};
      merger.add(static_cast<TokenId>(pair.first), static_cast<TokenId>(pair.second), rank,
                 static_cast<TokenId>(next_token++));
    }
  }

  static std::array<TokenId, 256> bytes() {
    std::array<TokenId, 256> tokens;
    tokens.fill(PairMerger::kNoToken);
    for (int i = 0; i < 4; ++i) tokens[static_cast<size_t>('a' + i)] = static_cast<TokenId>(i);
    return tokens;
  }

  // As the definition says it.
  std::vector<TokenId> merge_plainly(const std::string& word) const {
    std::vector<int> parts;
    for (const char byte : word) {
      if (byte != '-') parts.push_back(byte - 'a');
    }
    while (true) {
      const std::pair<uint32_t, int>* best = nullptr;
      size_t place = 0;
      for (size_t i = 0; i + 1 < parts.size(); ++i) {
        const auto found = table.find({parts[i], parts[i + 1]});
        if (found == table.end() || (best != nullptr && best->first <= found->second.first)) continue;
        best = &found->second;
        place = i;
      }
      if (best == nullptr) break;
      parts[place] = best->second;
      parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(place) + 1);
    }
    std::vector<TokenId> tokens;
    for (const int part : parts) tokens.push_back(static_cast<TokenId>(part));
    return tokens;
  }
};

TEST(PairMerger, MergesAsDefined) {
  constexpr uint64_t kSeed = 7;
  std::mt19937_64 random(kSeed);
  PairMerger::Scratch scratch;
  for (int round = 0; round < 60; ++round) {
    const RandomMerges merges(random);
    for (const size_t size : {1, 2, 3, 7, 16, 31, 32, 33, 34, 64, 200}) {
      std::string word;
      while (word.size() < size) word += static_cast<char>('a' + random() % (round % 2 == 0 ? 4 : 2));
      if (round % 3 == 0) word[random() % size] = '-';           // has no token
      std::vector<TokenId> tokens = {static_cast<TokenId>(99)};  // is appended to
      merges.merger.merge(word, scratch, tokens);
      tokens.erase(tokens.begin());
      EXPECT_EQ(tokens, merges.merge_plainly(word)) << "seed " << kSeed << ", round " << round << ", word " << word;
    }
  }
}

}  // namespace
}  // namespace pelton
