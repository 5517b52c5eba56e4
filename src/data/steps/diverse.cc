// Keeps a few records that stand for all, by what they mean. Each one that goes is listed with the one that stands for
// it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "data/diverse_selection.h"
#include "data/embedding_spill.h"

namespace pelton::data {
namespace {

struct DiverseOptions {
  enum class Method { kKCenter, kFacilityLocation };

  Method method = Method::kKCenter;
  size_t count = 0;  // 0: by share
  double share = 0;
  FacilityOptions facility;
};

class DiverseStep final : public StreamStep {
 public:
  DiverseStep(EmbeddingSpill embeddings, const DiverseOptions& options)
      : embeddings_(std::move(embeddings)), options_(options) {}

  void observe(std::span<const Record> records, Arena& arena, std::span<SpillBuffer> spills) const override {
    embeddings_.append(records, arena, spills[0]);
  }

  void decide(const ObservedStream& stream, Decisions& decisions) const override {
    if (stream.record_count == 0) return;
    const EmbeddingTable table = embeddings_.table(stream.spills[0]);
    const std::vector<uint32_t> records = records_with_text(table);
    Executor executor(stream.thread_count);
    std::vector<uint32_t> chosen = choose(table, records, count_of(records.size(), stream.is_trial), executor);
    std::sort(chosen.begin(), chosen.end());
    std::vector<uint32_t> others;
    std::set_difference(records.begin(), records.end(), chosen.begin(), chosen.end(), std::back_inserter(others));
    const std::vector<Representative> nearest = representatives(table, others, chosen, executor);
    size_t other = 0;
    for (uint32_t record = 0; record < stream.record_count; ++record) {
      if (std::binary_search(chosen.begin(), chosen.end(), record)) continue;
      Decision decision;
      decision.record = record;
      decision.reason = "no_text";
      if (other < others.size() && others[other] == record) {
        decision.reason = "represented";
        decision.duplicate_of = nearest[other].record;
        decision.similarity = std::max(0.0, nearest[other].similarity);
        ++other;
      }
      decisions.add(decision);
    }
  }

 private:
  size_t count_of(size_t there, bool is_trial) const {
    if (there == 0) {
      throw Error(ErrorCode::kInvalidArgument, "diverse: no record has a text to choose by; what counts says `in`",
                  "in");
    }
    if (options_.count == 0) {
      return std::max<size_t>(1, static_cast<size_t>(std::llround(options_.share * static_cast<double>(there))));
    }
    if (options_.count > there && !is_trial) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("diverse: count is {}, and there are {} records with text", options_.count, there),
                  "count");
    }
    return std::min(options_.count, there);
  }

  std::vector<uint32_t> choose(const EmbeddingTable& table, std::span<const uint32_t> records, size_t count,
                               Executor& executor) const {
    if (count == records.size()) return {records.begin(), records.end()};
    if (options_.method == DiverseOptions::Method::kKCenter) return choose_centers(table, records, count, executor);
    return choose_facilities(table, records, count, options_.facility, executor);
  }

  EmbeddingSpill embeddings_;
  DiverseOptions options_;
};

}  // namespace

Step make_diverse(StepOptions& options) {
  DiverseOptions diverse;
  diverse.method = static_cast<DiverseOptions::Method>(options.choice("method", {"k_center", "facility_location"}));
  diverse.count = static_cast<size_t>(options.integer("count", 0, 0, UINT32_MAX));
  diverse.share = options.number("share", 0, 0, 1);
  if ((diverse.count > 0) == (diverse.share > 0)) options.fail("count", "either count or share, above 0");
  diverse.facility.customer_count_max = static_cast<size_t>(options.integer("customers", 16384, 1, int64_t{1} << 20));
  diverse.facility.seed = static_cast<uint64_t>(options.integer("seed", 1, 0));
  return std::make_unique<const DiverseStep>(EmbeddingSpill(options), diverse);
}

}  // namespace pelton::data
