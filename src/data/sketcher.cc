#include "data/mix_hash.h"
#include "data/near_duplicates.h"

namespace pelton::data {

Sketcher::Sketcher(const NearDuplicateOptions& options)
    : options_(options), min_hash_(int64_t{options.buckets} * options.hashes_per_bucket, options.seed) {}

void Sketcher::sketch(std::string_view text, Sketch& sketch) const {
  thread_local std::vector<uint64_t> words;
  thread_local std::vector<uint32_t> signature;
  hash_words(text, options_.normalization, words);
  hash_shingles(words, options_.ngram, sketch.shingles);
  min_hash_.sign(sketch.shingles, signature);

  const auto buckets = static_cast<size_t>(options_.buckets);
  const auto hashes = static_cast<size_t>(options_.hashes_per_bucket);
  const auto keys = static_cast<size_t>(options_.keys_per_record());
  sketch.keys.clear();
  // First hash by hash, then every `buckets`-th: a bucket of the second kind shares few hashes with any of the first.
  for (size_t key = 0; key < keys; ++key) {
    const bool is_across = key >= buckets;
    const size_t first = is_across ? key - buckets : key * hashes;
    const size_t stride = is_across ? buckets : 1;
    uint64_t hash = 0;
    for (size_t i = 0; i < hashes; ++i) hash = mix_hash(hash ^ signature[first + i * stride]) + 1;
    sketch.keys.push_back(hash);
  }
}

}  // namespace pelton::data
