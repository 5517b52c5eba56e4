#include "data/repeated_passages.h"

#include <algorithm>
#include <tuple>

#include "base/check.h"
#include "data/external_sort.h"
#include "data/mix_hash.h"

namespace pelton::data {
namespace {

// A run of words, by its hash; `place` is its first word among all.
struct Run {
  uint64_t hash;
  uint64_t place;
};
struct ByHash {
  bool operator()(const Run& a, const Run& b) const { return std::tie(a.hash, a.place) < std::tie(b.hash, b.place); }
};
struct Copy {
  uint64_t place;
  uint64_t original;  // place
};
struct ByPlace {
  bool operator()(const Copy& a, const Copy& b) const { return a.place < b.place; }
};

// For each hash whether it came once, or more often; two hashes may share a place: then both count as often.
class SeenTable {
 public:
  explicit SeenTable(size_t bytes) : bits_(std::max<size_t>(bytes / sizeof(uint64_t), 1)) {}

  void see(uint64_t hash) {
    uint64_t& word = bits_[index(hash)];
    const uint64_t once = uint64_t{1} << shift(hash);
    word |= (word & once) != 0 ? once << 1 : once;
  }
  bool is_often(uint64_t hash) const { return ((bits_[index(hash)] >> shift(hash)) & 2) != 0; }

 private:
  size_t index(uint64_t hash) const { return static_cast<size_t>((hash >> 5) % bits_.size()); }
  static int shift(uint64_t hash) { return static_cast<int>(hash & 31) * 2; }

  std::vector<uint64_t> bits_;
};

class Search {
 public:
  Search(std::span<const uint64_t> words, std::span<const uint64_t> counts, const PassageSearch& search)
      : words_(words), counts_(counts), search_(search) {}

  void run(const std::function<void(uint64_t, const std::vector<RepeatedPassage>&)>& visit) {
    ExternalSorter<Copy, ByPlace> copies(search_.scratch_folder, "copies", search_.memory_bytes_max / 4);
    find_copies(copies);
    copies.sort();
    report(copies, visit);
  }

 private:
  // Calls take(hash, place) for each run of `length` words within a text.
  template <typename Take>
  void for_each_run(Take&& take) const {
    constexpr uint64_t kFactor = 0x9E3779B97F4A7C15u;
    uint64_t leading = 1;
    for (size_t i = 0; i < search_.length; ++i) leading *= kFactor;
    uint64_t begin = 0;
    for (const uint64_t count : counts_) {
      uint64_t sum = 0;
      for (uint64_t i = 0; i < count; ++i) {
        sum = sum * kFactor + words_[begin + i];
        if (i >= search_.length) sum -= words_[begin + i - search_.length] * leading;
        if (i + 1 >= search_.length) take(mix_hash(sum), begin + i + 1 - search_.length);
      }
      begin += count;
    }
    CHECK(begin == words_.size());
  }

  void find_copies(ExternalSorter<Copy, ByPlace>& copies) const {
    // A quarter for the table, a quarter for sorting: the rest is the other sorter's, and free.
    const size_t table_bytes = std::min<size_t>(search_.memory_bytes_max / 4, words_.size() * 2 + 64);
    SeenTable seen(table_bytes);
    for_each_run([&](uint64_t hash, uint64_t) { seen.see(hash); });
    ExternalSorter<Run, ByHash> runs(search_.scratch_folder, "runs", search_.memory_bytes_max / 4);
    for_each_run([&](uint64_t hash, uint64_t place) {
      if (seen.is_often(hash)) runs.add({hash, place});
    });
    runs.sort();
    Run first{};
    bool has_first = false;
    for (Run run{}; runs.next(run);) {
      if (!has_first || run.hash != first.hash || !are_equal(run.place, first.place)) {
        first = run;
        has_first = true;
      } else if (run.place - first.place >= search_.length) {
        copies.add({run.place, first.place});
      }
    }
  }

  bool are_equal(uint64_t a, uint64_t b) const {
    return std::equal(words_.begin() + static_cast<std::ptrdiff_t>(a),
                      words_.begin() + static_cast<std::ptrdiff_t>(a + search_.length),
                      words_.begin() + static_cast<std::ptrdiff_t>(b));
  }

  void report(ExternalSorter<Copy, ByPlace>& copies,
              const std::function<void(uint64_t, const std::vector<RepeatedPassage>&)>& visit) const {
    TextFinder text_of_original(counts_);
    std::vector<RepeatedPassage> passages;
    Copy copy{};
    bool has_copy = copies.next(copy);
    uint64_t begin = 0;
    for (uint64_t text = 0; text < counts_.size() && has_copy; begin += counts_[text], ++text) {
      passages.clear();
      for (; has_copy && copy.place < begin + counts_[text]; has_copy = copies.next(copy)) {
        const uint64_t from = copy.place - begin;
        if (!passages.empty() && from <= passages.back().end) {
          passages.back().end = from + search_.length;
        } else {
          passages.push_back({from, from + search_.length, text_of_original.find(copy.original)});
        }
      }
      if (!passages.empty()) visit(text, passages);
    }
  }

  // Which text a word is in: where every 1024th text begins is remembered.
  class TextFinder {
   public:
    explicit TextFinder(std::span<const uint64_t> counts) : counts_(counts) {
      uint64_t begin = 0;
      for (size_t text = 0; text < counts.size(); ++text) {
        if (text % kStride == 0) begins_.push_back(begin);
        begin += counts[text];
      }
    }
    uint64_t find(uint64_t place) const {
      const auto after = std::upper_bound(begins_.begin(), begins_.end(), place);
      auto text = static_cast<size_t>(after - begins_.begin() - 1) * kStride;
      uint64_t end = *(after - 1) + counts_[text];
      while (end <= place) end += counts_[++text];
      return text;
    }

   private:
    static constexpr size_t kStride = 1024;
    std::span<const uint64_t> counts_;
    std::vector<uint64_t> begins_;
  };

  std::span<const uint64_t> words_;
  std::span<const uint64_t> counts_;
  const PassageSearch& search_;
};

}  // namespace

void find_repeated_passages(std::span<const uint64_t> words, std::span<const uint64_t> counts,
                            const PassageSearch& search,
                            const std::function<void(uint64_t, const std::vector<RepeatedPassage>&)>& visit) {
  CHECK(search.length > 0);
  Search(words, counts, search).run(visit);
}

}  // namespace pelton::data
