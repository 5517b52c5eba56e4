// The tokens that may still be chosen: filters take some away, then one is drawn.
//
// Each filter keeps the order by id, so that the draw depends on the distribution alone. Of equally likely tokens at a
// cut the lower ids stay. No filter sorts the vocabulary: cuts are found by selection and by buckets.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/largest_rows.h"
#include "ops/logits_row.h"

namespace pelton {

// Reused from token to token; allocates nothing once it has seen the largest vocabulary.
class Candidates {
 public:
  // All of `logits` [V], finite, with the temperature's inverse; must outlive the use of this object.
  void assign(std::span<const float> logits, LogitsPeak peak, float inverse_temperature);
  // The same as assign() and keep_top_k(largest.size()), of which these are the result in rank order.
  void assign_largest(std::span<const RankedLogit> largest, float inverse_temperature);

  // The k most likely (Fan et al. 2018). k >= 1.
  void keep_top_k(int64_t k);
  // The fewest most likely ones that together have at least the share p of what is left (Holtzman et al. 2019). (0, 1].
  void keep_top_p(double p);
  // Those at least `share` times as likely as the most likely (Nguyen et al. 2024, arXiv 2407.01082). [0, 1].
  void keep_min_p(double share);

  // `uniform` in [0, 1).
  int32_t draw(double uniform);
  // The ids that are left, ascending.
  std::vector<int32_t> ids() const;

 private:
  struct Entry {
    float weight;
    int32_t id;
  };
  static bool is_before(const Entry& a, const Entry& b);  // more likely, then lower id
  // The last entry that belongs to the `mass` most likely.
  Entry nucleus_end(double mass);
  Entry entry_at(size_t index) const;
  void weigh();
  // Keeps `last` and what is before it.
  void keep_to(Entry last);

  std::span<const float> row_;
  LogitsPeak peak_{};
  float inverse_temperature_ = 1;
  bool is_whole_ = true;     // all of row_: ids_ and logits_ are not filled
  bool is_weighed_ = false;  // weights_ belong to the present candidates
  std::vector<int32_t> ids_;
  std::vector<float> logits_;
  std::vector<RankedLogit> ranked_;  // scratch
  Weights weights_;
  std::vector<float> rank_buffer_;
  std::vector<double> bucket_masses_;
  std::vector<Entry> entries_;
};

}  // namespace pelton
