// Keeps a sample: so much of each group that the groups stand in the proportions asked for. With weights it mixes
// sources, with a temperature it evens groups out (Conneau et al. 2020, arXiv 1911.02116), with neither it keeps their
// proportions (stratified). Which records of a group stay depends on their content and the seed, not on their order.
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "base/error.h"
#include "base/name_value.h"
#include "data/external_sort.h"
#include "data/field_text.h"
#include "data/mix_hash.h"
#include "data/step.h"

namespace pelton::data {
namespace {

constexpr size_t kGroupsMax = 1 << 20;

struct SampleOptions {
  // What tells the groups apart: "file" (its path), "synthetic" ("synthetic" or "real"), "split", "license" (the
  // record's, else its file's), or any field of the records. Empty: all are one.
  std::string by;
  bool counts_bytes = false;           // of text; else records
  double size = 0;                     // of the sample, in what is counted; 0: all that the proportions allow
  double temperature = 1;              // a group's weight is its size to the power of 1 / temperature
  std::map<uint64_t, double> weights;  // by hash of the group's name; others get nothing. Empty: by temperature
  uint64_t seed = 0;
};

struct SampleRow {
  uint64_t group;
  uint64_t size;
  uint64_t order;  // random
};
struct PlacedRow {
  SampleRow row;
  uint64_t record;
};
struct ByGroupThenOrder {
  bool operator()(const PlacedRow& a, const PlacedRow& b) const {
    return std::tie(a.row.group, a.row.order, a.record) < std::tie(b.row.group, b.row.order, b.record);
  }
};

std::string group_of(const Record& record, const std::string& by) {
  if (by.empty()) return "";
  if (by == "file") return record.source == nullptr ? "" : record.source->path;
  if (by == "synthetic") return is_synthetic(record) ? "synthetic" : "real";
  if (by == "split") return std::string(split_of(record));
  if (by == "license") return std::string(license_of(record));
  const Field* field = find_field(record, by);
  return field == nullptr ? "" : field_text(*field);
}

uint64_t hash_of(std::string_view name) {
  uint64_t hash = name.size();
  for (const char c : name) hash = mix_hash(hash ^ static_cast<unsigned char>(c)) + 1;
  return hash;
}

class SampleStep final : public StreamStep {
 public:
  explicit SampleStep(SampleOptions options) : options_(std::move(options)) {}

  void observe(std::span<const Record> records, Arena& /*arena*/, std::span<SpillBuffer> spills) const override {
    for (const Record& record : records) {
      uint64_t bytes = 0;
      for_each_text(record, [&](std::string_view text) { bytes += text.size(); });
      const uint64_t order = mix_hash(record.hash.low ^ mix_hash(record.hash.high + options_.seed));
      spills[0].append_row(SampleRow{hash_of(group_of(record, options_.by)), options_.counts_bytes ? bytes : 1, order});
    }
  }

  void decide(const ObservedStream& stream, Decisions& decisions) const override {
    const std::span<const SampleRow> rows = stream.spills[0].rows<SampleRow>();
    std::map<uint64_t, double> quotas = totals_of(rows);
    turn_into_quotas(quotas);

    ExternalSorter<PlacedRow, ByGroupThenOrder> groups(stream.scratch_folder, "groups", stream.memory_bytes_max / 2);
    for (uint64_t record = 0; record < rows.size(); ++record) groups.add({rows[record], record});
    groups.sort();
    ExternalSorter<uint64_t, std::less<>> drops(stream.scratch_folder, "drops", stream.memory_bytes_max / 2);
    double taken = 0;
    PlacedRow before{};
    for (PlacedRow next{}; groups.next(next); before = next) {
      if (next.row.group != before.row.group) taken = 0;
      // Rounded, so that three times a third is one.
      if (taken + 0.5 * static_cast<double>(next.row.size) > quotas[next.row.group] + 1e-6) {
        drops.add(next.record);
      } else {
        taken += static_cast<double>(next.row.size);
      }
    }
    drops.sort();
    for (uint64_t record = 0; drops.next(record);) {
      Decision decision;
      decision.record = record;
      decision.reason = "not_sampled";
      decisions.add(decision);
    }
  }

 private:
  static std::map<uint64_t, double> totals_of(std::span<const SampleRow> rows) {
    std::unordered_map<uint64_t, uint64_t> totals;
    for (const SampleRow& row : rows) {
      totals[row.group] += row.size;
      if (totals.size() > kGroupsMax) {
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("sample: the field has more than {} values; name one with fewer in `by`", kGroupsMax));
      }
    }
    return {totals.begin(), totals.end()};
  }

  // From what there is of each group to what stays of it.
  void turn_into_quotas(std::map<uint64_t, double>& groups) const {
    std::map<uint64_t, double> weights;
    double weight_sum = 0;
    double total = 0;
    for (const auto& [group, size] : groups) {
      const auto given = options_.weights.find(group);
      const double weight = !options_.weights.empty() ? (given == options_.weights.end() ? 0 : given->second)
                                                      : std::pow(size, 1 / options_.temperature);
      weights[group] = weight;
      weight_sum += weight;
      total += size;
    }
    // The largest sample in which no group is taken beyond what there is of it.
    double size = options_.size == 0 ? total : options_.size;
    for (const auto& [group, there] : groups) {
      const bool limits = weights[group] > 0 && (options_.size == 0 || !options_.weights.empty());
      if (limits) size = std::min(size, there * weight_sum / weights[group]);
    }
    for (auto& [group, there] : groups) {
      there = weight_sum == 0 ? 0 : std::min(there, size * weights[group] / weight_sum);
    }
  }

  SampleOptions options_;
};

}  // namespace

Step make_sample(StepOptions& options) {
  SampleOptions sample;
  sample.by = options.string("by", "");
  sample.counts_bytes = options.choice("unit", {"records", "bytes"}) == 1;
  sample.size = options.number("size", 0, 0, 1e18);
  sample.temperature = options.number("temperature", 1, 0.01, 1e6);
  sample.seed = static_cast<uint64_t>(options.integer("seed", 0, 0));
  for (const std::string& weight : options.strings("weights")) {
    const std::optional<NameValue> pair = split_name_value(weight, DivideAt::kLast);
    char* end = nullptr;
    // Its end is the string's.
    const double value = pair ? std::strtod(pair->value.data(), &end) : -1;
    if (value < 0 || end == nullptr || *end != '\0' || end == pair->value.data() || !std::isfinite(value)) {
      options.fail("weights", "a list of group=weight, as \"web=0.7\"");
    }
    sample.weights[hash_of(pair->name)] = value;
  }
  if (!sample.weights.empty() && sample.by.empty())
    options.fail("by", "what the weights' groups are values of: file, synthetic, split, license or a field");
  return std::make_unique<const SampleStep>(std::move(sample));
}

}  // namespace pelton::data
