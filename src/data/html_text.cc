#include "data/html_text.h"

#include <gumbo.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "data/character_class.h"

namespace pelton::data {
namespace {

constexpr int kDepthMax = 400;

template <size_t N>
bool is_among(GumboTag tag, const std::array<GumboTag, N>& tags) {
  return std::find(tags.begin(), tags.end(), tag) != tags.end();
}

bool is_left_out(GumboTag tag) {
  constexpr std::array kTags = {GUMBO_TAG_SCRIPT,   GUMBO_TAG_STYLE, GUMBO_TAG_NAV,    GUMBO_TAG_HEADER,
                                GUMBO_TAG_FOOTER,   GUMBO_TAG_ASIDE, GUMBO_TAG_FORM,   GUMBO_TAG_NOSCRIPT,
                                GUMBO_TAG_TEMPLATE, GUMBO_TAG_SVG,   GUMBO_TAG_BUTTON, GUMBO_TAG_SELECT,
                                GUMBO_TAG_IFRAME,   GUMBO_TAG_TITLE, GUMBO_TAG_OBJECT};
  return is_among(tag, kTags);
}

bool is_block(GumboTag tag) {
  constexpr std::array kTags = {
      GUMBO_TAG_P,  GUMBO_TAG_DIV, GUMBO_TAG_LI,      GUMBO_TAG_UL,     GUMBO_TAG_OL,         GUMBO_TAG_TABLE,
      GUMBO_TAG_TR, GUMBO_TAG_H1,  GUMBO_TAG_H2,      GUMBO_TAG_H3,     GUMBO_TAG_H4,         GUMBO_TAG_H5,
      GUMBO_TAG_H6, GUMBO_TAG_PRE, GUMBO_TAG_SECTION, GUMBO_TAG_MAIN,   GUMBO_TAG_BLOCKQUOTE, GUMBO_TAG_ARTICLE,
      GUMBO_TAG_DL, GUMBO_TAG_DT,  GUMBO_TAG_DD,      GUMBO_TAG_FIGURE, GUMBO_TAG_BODY,       GUMBO_TAG_HTML};
  return is_among(tag, kTags);
}

// The parser frees its tree by recursion, so its depth must be bounded before it is made.
bool is_nested_too_deep(std::string_view text) {
  int depth = 0;
  for (size_t at = text.find('<'); at != std::string_view::npos && at + 1 < text.size(); at = text.find('<', at + 1)) {
    const char next = text[at + 1];
    if (next == '/') {
      depth = std::max(0, depth - 1);
      continue;
    }
    const bool is_tag = (next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z');
    const std::string_view name = text.substr(at + 1, text.find_first_of(" />\t\n", at + 1) - at - 1);
    constexpr std::array<std::string_view, 8> kEmpty = {"br", "img", "hr", "input", "meta", "link", "wbr", "p"};
    const bool is_empty = std::find(kEmpty.begin(), kEmpty.end(), name) != kEmpty.end() || name == "li";
    if (is_tag && !is_empty && ++depth > kDepthMax) return true;
  }
  return false;
}

bool looks_like_html(std::string_view text) {
  constexpr std::array<std::string_view, 16> kEnds = {"</html>", "</body>", "</p>",      "</div>", "</span>", "</a>",
                                                      "</li>",   "</td>",   "</h1>",     "</h2>",  "</h3>",   "</ul>",
                                                      "</b>",    "</i>",    "</strong>", "</em>"};
  return std::any_of(kEnds.begin(), kEnds.end(),
                     [text](std::string_view end) { return text.find(end) != std::string_view::npos; });
}

size_t count_words(std::string_view text) {
  size_t words = 0;
  for_each_space_separated(text, [&](std::string_view) { ++words; });
  return words;
}

class TextCollector {
 public:
  std::string collect(const GumboNode* root) {
    // Each node twice: when it begins and, elements, when it ends.
    struct Visit {
      const GumboNode* node;
      bool is_end;
    };
    std::vector<Visit> stack = {{root, false}};
    while (!stack.empty()) {
      const Visit visit = stack.back();
      stack.pop_back();
      const GumboNode* node = visit.node;
      if (node->type != GUMBO_NODE_ELEMENT) {
        add_text(node);
        continue;
      }
      const GumboTag tag = node->v.element.tag;
      if (visit.is_end) {
        end_element(tag);
        continue;
      }
      if (is_left_out(tag)) continue;
      begin_element(tag);
      stack.push_back({node, true});
      const GumboVector& children = node->v.element.children;
      for (unsigned i = children.length; i-- > 0;)
        stack.push_back({static_cast<const GumboNode*>(children.data[i]), false});
    }
    end_block();
    return std::move(text_);
  }

 private:
  void begin_element(GumboTag tag) {
    if (is_block(tag)) end_block();
    if (tag == GUMBO_TAG_LI) block_ = "- ";
    if (tag == GUMBO_TAG_BR) block_ += '\n';
    if (tag == GUMBO_TAG_TD || tag == GUMBO_TAG_TH) block_ += ' ';
    link_depth_ += tag == GUMBO_TAG_A;
    pre_depth_ += tag == GUMBO_TAG_PRE;
  }
  void end_element(GumboTag tag) {
    if (is_block(tag)) end_block();
    link_depth_ -= tag == GUMBO_TAG_A;
    pre_depth_ -= tag == GUMBO_TAG_PRE;
  }
  void add_text(const GumboNode* node) {
    if (node->type != GUMBO_NODE_TEXT && node->type != GUMBO_NODE_WHITESPACE && node->type != GUMBO_NODE_CDATA) return;
    const std::string_view text = node->v.text.text;
    if (link_depth_ > 0) link_words_ += count_words(text);
    if (pre_depth_ > 0) {
      block_ += text;
      keeps_lines_ = true;
      return;
    }
    for (const char c : text) {
      const bool is_space = c == ' ' || (c >= '\t' && c <= '\r');
      if (!is_space) {
        block_ += c;
      } else if (!block_.empty() && block_.back() != ' ' && block_.back() != '\n') {
        block_ += ' ';
      }
    }
  }
  void end_block() {
    const std::string_view stripped = strip(block_);
    const size_t words = count_words(stripped);
    if (words > 0 && stripped != "-" && 2 * link_words_ <= words) {
      if (!text_.empty()) text_ += '\n';
      text_ += keeps_lines_ ? std::string_view(block_) : stripped;
    }
    block_.clear();
    link_words_ = 0;
    keeps_lines_ = false;
  }

  std::string text_;
  std::string block_;
  size_t link_words_ = 0;
  int link_depth_ = 0;
  int pre_depth_ = 0;
  bool keeps_lines_ = false;
};

}  // namespace

std::optional<std::string> html_text(std::string_view text) {
  if (!looks_like_html(text) || is_nested_too_deep(text)) return std::nullopt;
  const auto destroy = [](GumboOutput* output) { gumbo_destroy_output(&kGumboDefaultOptions, output); };
  const std::unique_ptr<GumboOutput, decltype(destroy)> output(
      gumbo_parse_with_options(&kGumboDefaultOptions, text.data(), text.size()), destroy);
  return TextCollector().collect(output->root);
}

}  // namespace pelton::data
