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

  // Those whose logits are at least the highest less n standard deviations of all: noise has a smaller logit than that,
  // at any temperature (Tang et al. 2024, arXiv 2411.07641). Logits of `masked` do not count. n > 0; before any other.
  void keep_top_n_sigma(double n, float masked);
  // The k most likely (Fan et al. 2018). k >= 1.
  void keep_top_k(int64_t k);
  // The fewest most likely ones that together have at least the share p of what is left (Holtzman et al. 2019). (0, 1].
  void keep_top_p(double p);
  // Those at least `share` times as likely as the most likely (Nguyen et al. 2024, arXiv 2407.01082). [0, 1].
  void keep_min_p(double share);

  // The fewest whose information content is nearest to the expected one and that together have at least the share p
  // (Meister et al. 2022, arXiv 2202.00666). (0, 1].
  void keep_typical(double p);
  // Of those at least so likely, if there are two or more, the least likely one only: the choices that everybody
  // expects are excluded (P. E. Weidmann, text-generation-webui pull request 6335, 2024). [0, 1].
  void exclude_top_choices(double threshold);
  // Those with a surprise of at most so many bits, -log2 of their probability; the most likely one always.
  void keep_surprise_at_most(double bits);
  // Of one of the tokens that are left, among them.
  double surprise_bits(int32_t id);

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
  // Keeps those at these indices among the candidates, ascending.
  void keep_at(std::span<const int32_t> indices);

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
  std::vector<int32_t> indices_;  // scratch
};

}  // namespace pelton
