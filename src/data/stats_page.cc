#include "data/stats_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "data/text_excerpt.h"
#include "report/markup.h"

namespace pelton::data {
namespace {

constexpr std::string_view kStyle =
    "body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 "
    "1em;color:#1b2733;background:#fff}"
    "table{border-collapse:collapse;margin:.5em 0 2em}"
    "th,td{padding:.25em .9em .25em 0;text-align:left;vertical-align:top;border-bottom:1px solid #dde3e8}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}"
    "svg{display:block}rect{fill:#3b7ea1}text{font-size:11px;fill:#55636f}"
    ".map text{fill:#1b2733}.map .gap{fill:none;stroke:#c9d2d9;stroke-dasharray:2 2}"
    ".excerpt{max-width:45em;white-space:pre-wrap;overflow-wrap:anywhere;font-size:13px;color:#44515c}"
    "@media(prefers-color-scheme:dark){body{background:#14191e;color:#dfe6ec}th,td{border-color:#2c363f}"
    "text,.map text{fill:#9aa8b4}.map .gap{stroke:#3a4650}.excerpt{color:#b4c0ca}}";

std::string short_count(uint64_t count) {
  if (count >= 10'000'000) return fmt::format("{}M", count / 1'000'000);
  return count >= 10'000 ? fmt::format("{}k", count / 1000) : fmt::format("{}", count);
}

// A bar for each power of two.
std::string histogram(const CountDistribution& distribution) {
  if (distribution.count() == 0) return "—";
  constexpr int kBarWidth = 26;
  constexpr int kHeight = 90;
  constexpr int kLabelHeight = 16;
  const std::vector<uint64_t> bars = distribution.by_powers_of_two();
  const uint64_t highest = *std::max_element(bars.begin(), bars.end());
  std::string svg = fmt::format("<svg width=\"{}\" height=\"{}\" role=\"img\">", kBarWidth * bars.size() + 20,
                                kHeight + 2 * kLabelHeight);
  for (size_t i = 0; i < bars.size(); ++i) {
    const double height = kHeight * static_cast<double>(bars[i]) / static_cast<double>(highest);
    const uint64_t from = i == 0 ? 0 : uint64_t{1} << i;
    const uint64_t to = (uint64_t{2} << i) - 1;
    svg += fmt::format("<rect x=\"{}\" y=\"{:.1f}\" width=\"{}\" height=\"{:.1f}\"><title>{} to {}: {}</title></rect>",
                       i * kBarWidth, kLabelHeight + kHeight - height, kBarWidth - 3, height, from, to, bars[i]);
    svg += fmt::format("<text x=\"{}\" y=\"{}\">{}</text>", i * kBarWidth, 2 * kLabelHeight + kHeight - 4,
                       short_count(from));
  }
  return svg + "</svg>";
}

using Coverage = std::map<std::string, NamedCounts, std::less<>>;

uint64_t sum_of(const NamedCounts& counts) {
  uint64_t sum = 0;
  for (const auto& [name, count] : counts) sum += count;
  return sum;
}

// The most frequent rows, and all columns.
struct MapShape {
  std::vector<std::string> rows;
  std::vector<std::string> columns;
  size_t rows_left_out = 0;
};

MapShape shape_of(const Coverage& coverage) {
  constexpr size_t kRowsMax = 40;
  NamedCounts rows;
  NamedCounts columns;
  for (const auto& [row, forms] : coverage) {
    rows[row] = sum_of(forms);
    for (const auto& [form, count] : forms) columns[form] += count;
  }
  const auto sorted = [](const NamedCounts& counts) {
    std::vector<std::pair<std::string, uint64_t>> pairs(counts.begin(), counts.end());
    std::stable_sort(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    std::vector<std::string> names;
    for (auto& [name, count] : pairs) names.push_back(std::move(name));
    return names;
  };
  MapShape shape{sorted(rows), sorted(columns)};
  if (shape.rows.size() > kRowsMax) {
    shape.rows_left_out = shape.rows.size() - kRowsMax;
    shape.rows.resize(kRowsMax);
  }
  return shape;
}

// A cell for each row and column: the more records the darker; where there are none, an empty frame.
std::string coverage_map(const Coverage& coverage) {
  constexpr size_t kLabelWidth = 170;
  constexpr size_t kCellWidth = 74;
  constexpr size_t kCellHeight = 22;
  const MapShape shape = shape_of(coverage);
  uint64_t most = 1;
  for (const auto& [row, forms] : coverage) {
    for (const auto& [form, count] : forms) most = std::max(most, count);
  }
  std::string svg =
      fmt::format("<svg class=\"map\" width=\"{}\" height=\"{}\" role=\"img\">",
                  kLabelWidth + kCellWidth * shape.columns.size(), kCellHeight * (shape.rows.size() + 1) + 4);
  const auto text_at = [&](size_t x, size_t y, std::string_view text) {
    svg += fmt::format("<text x=\"{}\" y=\"{}\">{}</text>", x, y, escaped_markup(text));
  };
  for (size_t column = 0; column < shape.columns.size(); ++column) {
    text_at(kLabelWidth + column * kCellWidth, kCellHeight - 7, shape.columns[column]);
  }
  for (size_t row = 0; row < shape.rows.size(); ++row) {
    constexpr size_t kNameBytesMax = 28;
    const NamedCounts& forms = coverage.find(shape.rows[row])->second;
    const size_t y = kCellHeight * (row + 1);
    text_at(0, y + kCellHeight - 7, beginning_of(shape.rows[row], kNameBytesMax));
    for (size_t column = 0; column < shape.columns.size(); ++column) {
      const auto found = forms.find(shape.columns[column]);
      const uint64_t count = found == forms.end() ? 0 : found->second;
      // By the root, so that rare cells are seen beside frequent ones.
      const double shade = std::sqrt(static_cast<double>(count) / static_cast<double>(most));
      const size_t x = kLabelWidth + column * kCellWidth;
      svg += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{}><title>{}, {}: {}</title></rect>", x, y,
                         kCellWidth - 4, kCellHeight - 3,
                         count == 0 ? std::string(" class=\"gap\"") : fmt::format(" opacity=\"{:.2f}\"", shade),
                         escaped_markup(shape.rows[row]), escaped_markup(shape.columns[column]), count);
      if (count > 0) text_at(x + 4, y + kCellHeight - 7, short_count(count));
    }
  }
  svg += "</svg>";
  if (shape.rows_left_out > 0) svg += fmt::format("<p>… {} rows more</p>", shape.rows_left_out);
  return svg;
}

std::string quantiles(const CountDistribution& distribution) {
  if (distribution.count() == 0) return "";
  return fmt::format("min {}, 5 % {}, median {}, mean {:.1f}, 95 % {}, max {}", distribution.min(),
                     distribution.quantile(0.05), distribution.quantile(0.5), distribution.mean(),
                     distribution.quantile(0.95), distribution.max());
}

class Page {
 public:
  explicit Page(const std::vector<StatsColumn>& columns) : columns_(columns) {}

  using CountOf = std::function<uint64_t(const DatasetStats&)>;
  using DistributionOf = std::function<const CountDistribution&(const DatasetStats&)>;
  using NamesOf = std::function<const NamedCounts&(const DatasetStats&)>;

  void begin_table(std::string_view title) {
    html_ += fmt::format("<h2>{}</h2><table><tr><th></th>", title);
    for (const StatsColumn& column : columns_) html_ += fmt::format("<th>{}</th>", escaped_markup(column.title));
    html_ += "</tr>";
  }
  void end_table() { html_ += "</table>"; }

  void add_count(std::string_view label, const CountOf& count_of) {
    html_ += fmt::format("<tr><td>{}</td>", escaped_markup(label));
    for (const StatsColumn& column : columns_) html_ += fmt::format("<td class=\"n\">{}</td>", count_of(column.stats));
    html_ += "</tr>";
  }

  void add_distribution(std::string_view label, const DistributionOf& distribution_of) {
    html_ += fmt::format("<tr><td>{}</td>", label);
    for (const StatsColumn& column : columns_) {
      const CountDistribution& distribution = distribution_of(column.stats);
      html_ += fmt::format("<td>{}{}</td>", histogram(distribution), quantiles(distribution));
    }
    html_ += "</tr>";
  }

  // The names of all columns, most frequent first.
  void add_names(std::string_view title, const NamesOf& names_of) {
    constexpr size_t kNamesMax = 40;
    NamedCounts sums;
    for (const StatsColumn& column : columns_) {
      for (const auto& [name, count] : names_of(column.stats)) sums[name] += count;
    }
    std::vector<std::pair<std::string, uint64_t>> sorted(sums.begin(), sums.end());
    std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    begin_table(title);
    for (size_t i = 0; i < std::min(sorted.size(), kNamesMax); ++i) {
      const std::string& name = sorted[i].first;
      add_count(name, [&](const DatasetStats& stats) {
        const auto found = names_of(stats).find(name);
        return found == names_of(stats).end() ? uint64_t{0} : found->second;
      });
    }
    if (sorted.size() > kNamesMax) html_ += fmt::format("<tr><td>… {} more</td></tr>", sorted.size() - kNamesMax);
    end_table();
  }

  void add_duplicates() {
    for (const StatsColumn& column : columns_) {
      if (column.stats.top_duplicates.empty()) continue;
      html_ += fmt::format("<h2>What repeats most: {}</h2><table><tr><th>times</th><th>first id</th><th>text</th></tr>",
                           escaped_markup(column.title));
      for (const DuplicateGroup& group : column.stats.top_duplicates) {
        html_ += fmt::format("<tr><td class=\"n\">{}</td><td>{}</td><td class=\"excerpt\">{}</td></tr>", group.count,
                             escaped_markup(group.first_id), escaped_markup(group.excerpt));
      }
      html_ += "</table>";
    }
  }

  void add_coverage() {
    for (const StatsColumn& column : columns_) {
      if (column.stats.coverage.empty()) continue;
      html_ += fmt::format(
          "<h2>What is covered: {}</h2><p>What is asked, by the form of the answer; a frame is a "
          "gap.</p>{}",
          escaped_markup(column.title), coverage_map(column.stats.coverage));
    }
  }

  void add_groups() {
    for (const StatsColumn& column : columns_) {
      html_ += fmt::format(
          "<h2>People that are spoken of: {}</h2><p>Words of lists, and good and bad words near them: hints, not "
          "verdicts.</p><table><tr><th></th><th>mentions</th><th>in texts</th><th>questions</th><th>answers</th>"
          "<th>others</th><th>near good words</th><th>near bad words</th></tr>",
          escaped_markup(column.title));
      for (const auto& [name, group] : column.stats.groups) {
        if (group.count() == 0) continue;
        html_ += fmt::format("<tr><td>{}</td>", escaped_markup(name));
        for (const uint64_t count : {group.count(), group.in_texts, group.in_questions, group.in_answers,
                                     group.in_others, group.positive, group.negative}) {
          html_ += fmt::format("<td class=\"n\">{}</td>", count);
        }
        html_ += "</tr>";
      }
      html_ += "</table>";
    }
  }

  void add_runs() {
    for (const StatsColumn& column : columns_) {
      if (!column.run) continue;
      const RunSamples& run = *column.run;
      html_ += fmt::format("<h2>What the run did: {}</h2><p>{} records read, {} kept, {} lines that are no record.</p>",
                           escaped_markup(column.title), run.records, run.kept, run.bad_lines);
      html_ += "<table><tr><th>step</th><th>seen</th><th>dropped</th><th>changed</th><th>why</th></tr>";
      for (const StepSamples& step : run.steps) {
        std::string reasons;
        for (const auto& [reason, count] : step.counts.reasons) {
          reasons += fmt::format("{}{} {}", reasons.empty() ? "" : ", ", escaped_markup(reason), count);
        }
        html_ += fmt::format(
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
            escaped_markup(step.step), step.counts.seen, step.counts.dropped, step.counts.changed, reasons);
      }
      html_ += "</table>";
      for (const StepSamples& step : run.steps) {
        const std::string name = escaped_markup(step.step);
        add_samples(fmt::format("{}: dropped", name), "what it matches", step.dropped, &RecordSample::duplicate_text);
        add_samples(fmt::format("{}: changed", name), "what was written", step.changed, &RecordSample::written);
      }
      add_samples("Kept", "", run.kept_samples, nullptr);
    }
  }

  std::string finish(std::string_view title) const {
    return fmt::format(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width\"><title>{0}</title><style>{1}</style></head><body><h1>{0}</h1>{2}</body></"
        "html>\n",
        escaped_markup(title), kStyle, html_);
  }

 private:
  // `other`: what stands beside a record, under `other_title`; null: nothing does.
  void add_samples(std::string_view title, std::string_view other_title, const std::vector<RecordSample>& samples,
                   std::string RecordSample::*other) {
    if (samples.empty()) return;
    const bool has_reasons = other != nullptr;
    const bool has_other = has_reasons && std::any_of(samples.begin(), samples.end(), [&](const RecordSample& sample) {
                             return !(sample.*other).empty();
                           });
    html_ += fmt::format("<h3>{}</h3><table><tr>{}<th>record</th>{}</tr>", title, has_reasons ? "<th>why</th>" : "",
                         has_other ? fmt::format("<th>{}</th>", other_title) : "");
    for (const RecordSample& sample : samples) {
      html_ += "<tr>";
      if (has_reasons) html_ += fmt::format("<td>{}</td>", why(sample));
      add_excerpt(sample.id, sample.text);
      if (has_other) add_excerpt(sample.duplicate_of, sample.*other);
      html_ += "</tr>";
    }
    html_ += "</table>";
  }

  void add_excerpt(std::string_view id, std::string_view text) {
    html_ += fmt::format("<td class=\"excerpt\"><b>{}</b>{}{}</td>", escaped_markup(id), id.empty() ? "" : "\n",
                         escaped_markup(text));
  }

  static std::string why(const RecordSample& sample) {
    std::string text = escaped_markup(sample.reason);
    if (!sample.detail.empty()) text += "<br>" + escaped_markup(sample.detail);
    if (sample.similarity) text += fmt::format("<br>similarity {:.3g}", *sample.similarity);
    return text;
  }

  const std::vector<StatsColumn>& columns_;
  std::string html_;
};

}  // namespace

std::string stats_page(std::string_view title, const std::vector<StatsColumn>& columns) {
  Page page(columns);
  page.begin_table("Records");
  page.add_count("records", [](const DatasetStats& stats) { return stats.records; });
  page.add_count("bytes", [](const DatasetStats& stats) { return stats.bytes; });
  page.add_count("files", [](const DatasetStats& stats) { return stats.file_count; });
  page.add_count("lines that are no record", [](const DatasetStats& stats) { return stats.bad_lines; });
  page.add_count("exact duplicates", [](const DatasetStats& stats) { return stats.duplicates; });
  page.add_count("repeated ids", [](const DatasetStats& stats) { return stats.repeated_ids; });
  page.add_count("synthetic", [](const DatasetStats& stats) { return stats.synthetic; });
  page.add_count("one answer", [](const DatasetStats& stats) { return stats.single_turn; });
  page.add_count("several answers", [](const DatasetStats& stats) { return stats.multi_turn; });
  page.add_count("system prompt", [](const DatasetStats& stats) { return stats.with_system_prompt; });
  page.add_count("tool calls", [](const DatasetStats& stats) { return stats.with_tool_calls; });
  page.add_count("reasoning", [](const DatasetStats& stats) { return stats.with_reasoning; });
  page.add_count("answers step by step", [](const DatasetStats& stats) { return stats.with_steps; });
  page.end_table();
  page.begin_table("Lengths");
  using Stats = DatasetStats;
  page.add_distribution("words a record",
                        [](const Stats& s) -> const CountDistribution& { return s.words_per_record; });
  page.add_distribution("bytes a record",
                        [](const Stats& s) -> const CountDistribution& { return s.bytes_per_record; });
  page.add_distribution("messages a chat", [](const Stats& s) -> const CountDistribution& { return s.turns_per_chat; });
  page.add_distribution("words a question",
                        [](const Stats& s) -> const CountDistribution& { return s.words_per_question; });
  page.add_distribution("words an answer",
                        [](const Stats& s) -> const CountDistribution& { return s.words_per_answer; });
  page.end_table();
  page.add_coverage();
  page.add_names("What is asked", [](const Stats& s) -> const NamedCounts& { return s.question_kinds; });
  page.add_names("What questions begin with", [](const Stats& s) -> const NamedCounts& { return s.openings; });
  page.add_names("Styles of questions", [](const Stats& s) -> const NamedCounts& { return s.question_styles; });
  page.add_names("Forms of answers", [](const Stats& s) -> const NamedCounts& { return s.answer_forms; });
  page.add_names("Languages", [](const Stats& s) -> const NamedCounts& { return s.languages; });
  page.add_groups();
  page.add_names("Formats", [](const Stats& s) -> const NamedCounts& { return s.formats; });
  page.add_names("Sources", [](const Stats& s) -> const NamedCounts& { return s.sources; });
  page.add_names("Licences", [](const Stats& s) -> const NamedCounts& { return s.licenses; });
  page.add_names("Splits", [](const Stats& s) -> const NamedCounts& { return s.splits; });
  page.add_duplicates();
  page.add_runs();
  return page.finish(title);
}

}  // namespace pelton::data
