#include "engine/candidates.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/check.h"

namespace pelton {
namespace {

// Weights in (0, 1] by their leading bits: the exponent and five bits of the mantissa, so 32 buckets an octave.
// Positive floats are ordered as their bits are.
constexpr int kBucketShift = 18;
size_t bucket_of(float weight) { return std::bit_cast<uint32_t>(weight) >> kBucketShift; }
const size_t kBucketCount = bucket_of(1.0f) + 1;

}  // namespace

void Candidates::assign(std::span<const float> logits, LogitsPeak peak, float inverse_temperature) {
  row_ = logits;
  peak_ = peak;
  inverse_temperature_ = inverse_temperature;
  is_whole_ = true;
  is_weighed_ = false;
}

void Candidates::assign_largest(std::span<const RankedLogit> largest, float inverse_temperature) {
  row_ = {};
  peak_ = {largest.front().id, largest.front().value};
  inverse_temperature_ = inverse_temperature;
  ranked_.assign(largest.begin(), largest.end());
  std::sort(ranked_.begin(), ranked_.end(), [](const RankedLogit& a, const RankedLogit& b) { return a.id < b.id; });
  ids_.clear();
  logits_.clear();
  for (const RankedLogit& logit : ranked_) {
    ids_.push_back(logit.id);
    logits_.push_back(logit.value);
  }
  is_whole_ = false;
  is_weighed_ = false;
}

void Candidates::weigh() {
  if (is_weighed_) return;
  weights_.assign(is_whole_ ? row_ : std::span<const float>(logits_), peak_.value, inverse_temperature_);
  is_weighed_ = true;
}

void Candidates::keep_top_k(int64_t k) {
  CHECK(k >= 1);
  const std::span<const float> logits = is_whole_ ? row_ : std::span<const float>(logits_);
  if (k >= static_cast<int64_t>(logits.size())) return;
  select_largest(logits, k, rank_buffer_, indices_);
  keep_at(indices_);
}

void Candidates::keep_to(Entry last) {
  const bool was_whole = is_whole_;
  if (was_whole) {
    ids_.resize(row_.size());
    logits_.resize(row_.size());
  }
  size_t kept_count = 0;
  for_each_at_least(weights_.values(), last.weight, [&](size_t i) {
    const Entry entry = entry_at(i);
    if (is_before(last, entry)) return;
    ids_[kept_count] = entry.id;  // at or before i: in place
    logits_[kept_count] = was_whole ? row_[i] : logits_[i];
    ++kept_count;
  });
  ids_.resize(kept_count);
  logits_.resize(kept_count);
  is_whole_ = false;
  is_weighed_ = false;
}

void Candidates::keep_top_p(double p) {
  if (p >= 1) return;
  weigh();
  keep_to(nucleus_end(p * weights_.total()));
}

void Candidates::keep_min_p(double share) {
  if (share <= 0) return;
  weigh();
  // The peak is never filtered away, and its weight is 1.
  keep_to({static_cast<float>(share), std::numeric_limits<int32_t>::max()});
}

void Candidates::keep_at(std::span<const int32_t> indices) {
  if (is_whole_) {
    ids_.assign(indices.begin(), indices.end());
    logits_.clear();
    for (const int32_t id : ids_) logits_.push_back(row_[static_cast<size_t>(id)]);
  } else {
    for (size_t i = 0; i < indices.size(); ++i) {  // indices[i] >= i: in place
      ids_[i] = ids_[static_cast<size_t>(indices[i])];
      logits_[i] = logits_[static_cast<size_t>(indices[i])];
    }
    ids_.resize(indices.size());
    logits_.resize(indices.size());
  }
  is_whole_ = false;
  is_weighed_ = false;
}

void Candidates::keep_top_n_sigma(double n, float masked) {
  CHECK(is_whole_ && n > 0);
  // From the peak, so that the sums are small.
  double sum = 0;
  double square_sum = 0;
  double count = 0;
  for (const float logit : row_) {
    if (logit == masked) continue;
    const double below = static_cast<double>(peak_.value) - logit;
    sum += below;
    square_sum += below * below;
    ++count;
  }
  const double mean = sum / count;
  const double deviation = std::sqrt(std::max(0.0, square_sum / count - mean * mean));
  const auto bound = static_cast<float>(peak_.value - n * deviation);
  indices_.clear();
  for_each_at_least(row_, bound, [&](size_t i) {
    if (row_[i] != masked) indices_.push_back(static_cast<int32_t>(i));
  });
  keep_at(indices_);
}

void Candidates::keep_typical(double p) {
  if (p >= 1) return;
  weigh();
  const std::span<const float> weights = weights_.values();
  const double log_total = std::log(weights_.total());
  double entropy = 0;
  for (const float weight : weights) {
    if (weight > 0) entropy -= weight * (std::log(weight) - log_total);
  }
  entropy /= weights_.total();
  entries_.clear();  // the distance from the entropy in place of a weight, the index in place of an id
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    const double surprise = log_total - std::log(weights[i]);
    entries_.push_back({static_cast<float>(std::abs(surprise - entropy)), static_cast<int32_t>(i)});
  }
  // Few are taken of many: a heap, not a sort.
  const auto is_after = [](const Entry& a, const Entry& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.id > b.id;
  };
  std::make_heap(entries_.begin(), entries_.end(), is_after);
  indices_.clear();
  double left = p * weights_.total();
  auto end = entries_.end();
  while (left > 0 && end != entries_.begin()) {
    std::pop_heap(entries_.begin(), end--, is_after);
    indices_.push_back(end->id);
    left -= weights[static_cast<size_t>(end->id)];
  }
  std::sort(indices_.begin(), indices_.end());
  keep_at(indices_);
}

void Candidates::exclude_top_choices(double threshold) {
  weigh();
  const std::span<const float> weights = weights_.values();
  const auto bound = static_cast<float>(threshold * weights_.total());
  size_t choice_count = 0;
  Entry least{};
  for_each_at_least(weights, bound, [&](size_t i) {
    const Entry entry = entry_at(i);
    if (choice_count++ == 0 || is_before(least, entry)) least = entry;
  });
  if (choice_count < 2) return;
  indices_.clear();
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] < bound || entry_at(i).id == least.id) indices_.push_back(static_cast<int32_t>(i));
  }
  keep_at(indices_);
}

void Candidates::keep_surprise_at_most(double bits) {
  weigh();
  const double bound = std::min(1.0, weights_.total() * std::exp2(-bits));
  keep_to({static_cast<float>(bound), std::numeric_limits<int32_t>::max()});
}

double Candidates::surprise_bits(int32_t id) {
  weigh();
  const auto index = is_whole_ ? static_cast<size_t>(id)
                               : static_cast<size_t>(std::lower_bound(ids_.begin(), ids_.end(), id) - ids_.begin());
  return std::log2(weights_.total() / weights_.values()[index]);
}

Candidates::Entry Candidates::entry_at(size_t index) const {
  return {weights_.values()[index], is_whole_ ? static_cast<int32_t>(index) : ids_[index]};
}

bool Candidates::is_before(const Entry& a, const Entry& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
}

Candidates::Entry Candidates::nucleus_end(double mass) {
  const std::span<const float> weights = weights_.values();
  // Those below the bound have less than total - mass together, so the nucleus lies among the others: usually a few
  // hundred of the vocabulary.
  const auto bound = static_cast<float>((weights_.total() - mass) / static_cast<double>(weights.size()));
  bucket_masses_.assign(kBucketCount, 0.0);
  for_each_at_least(weights, bound, [&](size_t i) { bucket_masses_[bucket_of(weights[i])] += weights[i]; });

  // Down to the bucket in which the mass is reached; where p is so near 1 that rounding decides, to the last.
  double left = mass;
  size_t bucket = 0;
  for (size_t i = kBucketCount; i-- > 0;) {
    if (bucket_masses_[i] == 0) continue;
    bucket = i;
    if (left <= bucket_masses_[i]) break;
    left -= bucket_masses_[i];
  }

  entries_.clear();
  for_each_at_least(weights, bound, [&](size_t i) {
    if (bucket_of(weights[i]) == bucket) entries_.push_back(entry_at(i));
  });
  std::sort(entries_.begin(), entries_.end(), is_before);
  for (const Entry& entry : entries_) {
    left -= entry.weight;
    if (left <= 0) return entry;
  }
  return entries_.back();
}

int32_t Candidates::draw(double uniform) {
  weigh();
  return entry_at(static_cast<size_t>(weights_.draw(uniform))).id;
}

std::vector<int32_t> Candidates::ids() const {
  if (!is_whole_) return ids_;
  std::vector<int32_t> all(row_.size());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

}  // namespace pelton
