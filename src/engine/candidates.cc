#include "engine/candidates.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"

namespace pelton {

void Candidates::assign(std::span<const float> logits, LogitsPeak peak, float inverse_temperature) {
  row_ = logits;
  peak_ = peak;
  inverse_temperature_ = inverse_temperature;
  is_whole_ = true;
  is_weighed_ = false;
}

void Candidates::weigh() {
  if (is_weighed_) return;
  weights_.assign(is_whole_ ? row_ : std::span<const float>(logits_), peak_.value, inverse_temperature_);
  is_weighed_ = true;
}

void Candidates::keep_top_k(int64_t k) {
  CHECK(is_whole_ && k >= 1);
  if (k >= static_cast<int64_t>(row_.size())) return;
  select_largest(row_, k, rank_buffer_, ids_);
  logits_.clear();
  for (const int32_t id : ids_) logits_.push_back(row_[static_cast<size_t>(id)]);
  is_whole_ = false;
  is_weighed_ = false;
}

template <typename Keep>
void Candidates::filter(const Keep& keep) {
  weigh();
  const std::span<const float> weights = weights_.values();
  size_t kept_count = 0;
  if (is_whole_) {
    ids_.resize(row_.size());
    logits_.resize(row_.size());
  }
  for (size_t i = 0; i < weights.size(); ++i) {
    const int32_t id = id_at(static_cast<int64_t>(i));
    if (!keep(weights[i], id)) continue;
    ids_[kept_count] = id;
    logits_[kept_count] = row_[static_cast<size_t>(id)];
    ++kept_count;
  }
  ids_.resize(kept_count);
  logits_.resize(kept_count);
  is_whole_ = false;
  is_weighed_ = false;
}

void Candidates::keep_top_p(double p) {
  if (p >= 1) return;
  weigh();
  const Entry end = nucleus_end(p * weights_.total());
  filter([end](float weight, int32_t id) { return !is_before(end, {weight, id}); });
}

void Candidates::keep_min_p(double share) {
  if (share <= 0) return;
  // The peak is never filtered away, and its weight is 1.
  filter([share](float weight, int32_t) { return weight >= share; });
}

bool Candidates::is_before(const Entry& a, const Entry& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
}

Candidates::Entry Candidates::nucleus_end(double mass) {
  const std::span<const float> weights = weights_.values();
  // Those below the bound have less than total - mass together, so the nucleus lies among the others: usually a few
  // hundred of the vocabulary.
  const auto bound = static_cast<float>((weights_.total() - mass) / static_cast<double>(weights.size()));
  entries_.clear();
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] >= bound) entries_.push_back({weights[i], id_at(static_cast<int64_t>(i))});
  }
  // Selection by weight: halve, see on which side the mass is reached, go on there.
  auto begin = entries_.begin();
  auto end = entries_.end();
  double left = mass;
  constexpr int64_t kSortedSize = 32;
  while (end - begin > kSortedSize) {
    const auto middle = begin + (end - begin) / 2;
    std::nth_element(begin, middle, end, is_before);
    const double upper = std::accumulate(begin, middle, 0.0, [](double sum, Entry entry) { return sum + entry.weight; });
    if (upper >= left) {
      end = middle;
    } else {
      left -= upper;
      begin = middle;
    }
  }
  std::sort(begin, end, is_before);
  for (auto entry = begin; entry != end; ++entry) {
    left -= entry->weight;
    if (left <= 0) return *entry;
  }
  return *(end - 1);  // p so near 1 that rounding decides
}

int32_t Candidates::draw(double uniform) {
  weigh();
  return id_at(weights_.draw(uniform));
}

std::vector<int32_t> Candidates::ids() const {
  if (!is_whole_) return ids_;
  std::vector<int32_t> all(row_.size());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

}  // namespace pelton
