#include "load/scrape.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace pelton {
namespace {

constexpr std::string_view kBucketSuffix = "_bucket";

// "+Inf", "1e-05", …
std::optional<double> parse_number(std::string_view text) {
  if (text == "+Inf") return std::numeric_limits<double>::infinity();
  if (text == "-Inf") return -std::numeric_limits<double>::infinity();
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

// Where a line's labels end: after "}", quotes and escapes aside.
size_t end_of_labels(std::string_view line, size_t brace) {
  bool is_quoted = false;
  for (size_t i = brace; i < line.size(); ++i) {
    if (is_quoted && line[i] == '\\') {
      ++i;
    } else if (line[i] == '"') {
      is_quoted = !is_quoted;
    } else if (line[i] == '}' && !is_quoted) {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

// What a label says, of `{a="b",c="d"}`; escapes are left as they are.
std::optional<std::string_view> label_of(std::string_view labels, std::string_view name) {
  const std::string start = fmt::format("{}=\"", name);
  for (size_t at = labels.find(start); at != std::string_view::npos; at = labels.find(start, at + 1)) {
    if (at == 0 || (labels[at - 1] != '{' && labels[at - 1] != ',')) continue;
    const std::string_view rest = labels.substr(at + start.size());
    return rest.substr(0, rest.find('"'));
  }
  return std::nullopt;
}

const std::map<double, double> kNoBuckets;

}  // namespace

Scrape Scrape::parse(std::string_view text) {
  Scrape scrape;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    const size_t name_end = line.find_first_of("{ ");
    const size_t labels_end = name_end != line.npos && line[name_end] == '{' ? end_of_labels(line, name_end) : name_end;
    const auto fail = [&] {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("no Prometheus metric: {}", line.substr(0, 100)));
    };
    if (labels_end == line.npos || labels_end >= line.size() || line[labels_end] != ' ') fail();
    std::string_view number = line.substr(labels_end + 1);
    number = number.substr(0, number.find(' '));  // what may follow is a time
    const auto value = parse_number(number);
    if (!value) fail();
    const std::string_view name = line.substr(0, name_end);
    const std::string_view labels = line.substr(name_end, labels_end - name_end);
    const auto le = name.ends_with(kBucketSuffix) ? label_of(labels, "le") : std::nullopt;
    if (const auto bound = le ? parse_number(*le) : std::nullopt) {
      scrape.buckets_[std::string(name.substr(0, name.size() - kBucketSuffix.size()))][*bound] += *value;
    } else {
      scrape.values_[std::string(name)][std::string(labels)] += *value;
    }
  }
  return scrape;
}

std::optional<double> Scrape::value(std::string_view name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return std::nullopt;
  double sum = 0;
  for (const auto& [labels, value] : found->second) sum += value;
  return sum;
}

std::map<std::string, double> Scrape::by_label(std::string_view name, std::string_view label) const {
  std::map<std::string, double> sums;
  const auto found = values_.find(name);
  if (found == values_.end()) return sums;
  for (const auto& [labels, value] : found->second) sums[std::string(label_of(labels, label).value_or(""))] += value;
  return sums;
}

Scrape Scrape::only(std::string_view label, std::string_view text) const {
  Scrape part;
  for (const auto& [name, series] : values_) {
    for (const auto& [labels, value] : series) {
      if (label_of(labels, label) == text) part.values_[name][labels] = value;
    }
  }
  return part;
}

const std::map<double, double>& Scrape::buckets(std::string_view histogram) const {
  const auto found = buckets_.find(histogram);
  return found != buckets_.end() ? found->second : kNoBuckets;
}

double growth(const Scrape& before, const Scrape& after, std::string_view name) {
  const double then = before.value(name).value_or(0);
  const double now = after.value(name).value_or(0);
  return now >= then ? now - then : now;
}

std::optional<double> quantile(const Scrape& before, const Scrape& after, std::string_view histogram, double share) {
  const std::map<double, double>& then = before.buckets(histogram);
  const std::map<double, double>& now = after.buckets(histogram);
  if (now.empty()) return std::nullopt;
  const bool began_anew = !then.empty() && then.rbegin()->second > now.rbegin()->second;
  const auto grown = [&](const std::pair<const double, double>& bucket) {
    const auto known = then.find(bucket.first);
    return known == then.end() || began_anew ? bucket.second : bucket.second - known->second;
  };
  const double rank = share * grown(*now.rbegin());
  if (!(rank > 0)) return std::nullopt;
  double low = 0, seen = 0;
  for (const auto& bucket : now) {
    const double count = grown(bucket);
    if (count >= rank) {
      if (std::isinf(bucket.first)) return std::nullopt;
      return low + (bucket.first - low) * (rank - seen) / (count - seen);
    }
    low = bucket.first;
    seen = count;
  }
  return std::nullopt;
}

}  // namespace pelton
