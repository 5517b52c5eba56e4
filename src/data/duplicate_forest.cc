#include "data/duplicate_forest.h"

#include <algorithm>
#include <tuple>

#include "data/parallel_items.h"

namespace pelton::data {

std::vector<NearDuplicate> DuplicateForest::drop_all_but_one(const DuplicateJudge& judge, Executor& executor) {
  sort_edges_by_cluster();
  std::vector<size_t> begins;
  for (size_t i = 0; i < edges_.size(); ++i) {
    if (i == 0 || root_of(edges_[i].a) != root_of(edges_[i - 1].a)) begins.push_back(i);
  }
  begins.push_back(edges_.size());
  std::vector<std::vector<NearDuplicate>> of_clusters(begins.size() - 1);
  for_each_item(executor, static_cast<int64_t>(of_clusters.size()), [&](int64_t item) {
    const auto cluster = static_cast<size_t>(item);
    const size_t count = begins[cluster + 1] - begins[cluster];
    of_clusters[cluster] = drop_in_cluster(std::span<const Edge>(edges_).subspan(begins[cluster], count), judge);
  });
  std::vector<NearDuplicate> dropped;
  for (const std::vector<NearDuplicate>& of_cluster : of_clusters) {
    dropped.insert(dropped.end(), of_cluster.begin(), of_cluster.end());
  }
  std::sort(dropped.begin(), dropped.end(),
            [](const NearDuplicate& a, const NearDuplicate& b) { return a.record < b.record; });
  return dropped;
}

void DuplicateForest::sort_edges_by_cluster() {
  const auto key = [this](const Edge& edge) { return std::tuple(root_of(edge.a), edge.a, edge.b); };
  std::sort(edges_.begin(), edges_.end(), [&](const Edge& a, const Edge& b) { return key(a) < key(b); });
}

// The edges of a cluster are a tree. It is walked from the record that stays.
std::vector<NearDuplicate> DuplicateForest::drop_in_cluster(std::span<const Edge> edges, const DuplicateJudge& judge) {
  const auto stays_before = [&](uint32_t a, uint32_t b) {
    return std::tuple(judge.rank_of(b), a) < std::tuple(judge.rank_of(a), b);
  };
  std::vector<Edge> neighbours;  // of `a`, sorted by it
  uint32_t kept = edges.front().a;
  for (const Edge& edge : edges) {
    neighbours.push_back(edge);
    neighbours.push_back({edge.b, edge.a, edge.similarity});
    if (stays_before(edge.a, kept)) kept = edge.a;
    if (stays_before(edge.b, kept)) kept = edge.b;
  }
  std::sort(neighbours.begin(), neighbours.end(),
            [](const Edge& a, const Edge& b) { return std::tie(a.a, a.b) < std::tie(b.a, b.b); });

  const std::function<double(uint32_t)> similarity_to_kept = judge.similarity_to(kept);
  std::vector<NearDuplicate> dropped;
  std::vector<Edge> walk = {{kept, kept, 1}};  // from a to b, a nearer to the one that stays
  for (size_t i = 0; i < walk.size(); ++i) {
    const Edge step = walk[i];
    if (step.b != kept) {
      const double similarity = similarity_to_kept(step.b);
      const bool names_kept = step.a == kept || similarity >= judge.similarity_min;
      dropped.push_back(names_kept ? NearDuplicate{step.b, kept, similarity}
                                   : NearDuplicate{step.b, step.a, step.similarity});
    }
    const auto first = std::lower_bound(neighbours.begin(), neighbours.end(), step.b,
                                        [](const Edge& edge, uint32_t record) { return edge.a < record; });
    for (auto next = first; next != neighbours.end() && next->a == step.b; ++next) {
      if (next->b != step.a) walk.push_back(*next);
    }
  }
  return dropped;
}

}  // namespace pelton::data
