// Metrics of a server as Prometheus reads them: the text exposition format 0.0.4, and what two readings say together.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace pelton {

// One reading. Series of one name, whatever their labels, are summed unless one asks by label, which is right for sums
// and counts; buckets of histograms by their bound.
class Scrape {
 public:
  // Error kInvalidArgument, with the line: not that format.
  static Scrape parse(std::string_view text);

  std::optional<double> value(std::string_view name) const;
  // Sums by what a label says.
  std::map<std::string, double> by_label(std::string_view name, std::string_view label) const;
  // The series whose label says so, without histograms.
  Scrape only(std::string_view label, std::string_view text) const;
  // Bound → how many observations were at most that.
  const std::map<double, double>& buckets(std::string_view histogram) const;

 private:
  std::map<std::string, std::map<std::string, double>, std::less<>> values_;  // by name, then by all labels
  std::map<std::string, std::map<double, double>, std::less<>> buckets_;
};

// What grew between two readings; a counter that fell (the server began anew) counts from zero.
double growth(const Scrape& before, const Scrape& after, std::string_view name);

// The quantile, 0 to 1, of what a histogram saw between two readings, by linear interpolation in its bucket as
// Prometheus' histogram_quantile does it; absent: it saw nothing, or lies beyond the last finite bound.
std::optional<double> quantile(const Scrape& before, const Scrape& after, std::string_view histogram, double share);

}  // namespace pelton
