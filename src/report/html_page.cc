#include "report/html_page.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "report/markup.h"

namespace pelton {
namespace {

constexpr std::string_view kStyle =
    "body{font-family:sans-serif;margin:2rem auto;max-width:84rem;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:1rem 0}"
    "th,td{padding:.3rem .7rem;border-bottom:1px solid #ddd;text-align:right;font-variant-numeric:tabular-nums}"
    "th:first-child,td:first-child{text-align:left}"
    ".pictures{display:flex;flex-wrap:wrap;gap:1rem}svg{max-width:100%;height:auto}";

}  // namespace

HtmlPage::HtmlPage(std::string title) : title_(std::move(title)) {}

void HtmlPage::add_heading(std::string_view text) { body_ += fmt::format("<h2>{}</h2>\n", escaped_markup(text)); }

void HtmlPage::add_text(std::string_view text) { body_ += fmt::format("<p>{}</p>\n", escaped_markup(text)); }

void HtmlPage::add_table(const std::vector<std::vector<std::string>>& rows) {
  body_ += "<table>\n";
  for (size_t i = 0; i < rows.size(); ++i) {
    CHECK(rows[i].size() == rows[0].size());
    body_ += "<tr>";
    const char* cell = i == 0 ? "th" : "td";
    for (const std::string& text : rows[i]) body_ += fmt::format("<{0}>{1}</{0}>", cell, escaped_markup(text));
    body_ += "</tr>\n";
  }
  body_ += "</table>\n";
}

void HtmlPage::add_pictures(const std::vector<std::string>& svgs) {
  body_ += "<div class=\"pictures\">\n";
  for (const std::string& svg : svgs) body_ += svg;
  body_ += "</div>\n";
}

std::string HtmlPage::to_string() const {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width\">\n<title>{0}</title>\n<style>{1}</style>\n<h1>{0}</h1>\n{2}</html>\n",
      escaped_markup(title_), kStyle, body_);
}

}  // namespace pelton
