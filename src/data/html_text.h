// The running text of an HTML page (Gumbo, an HTML5 parser).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pelton::data {

// Nothing where `text` is no HTML: no end tag of a common element is in it. Scripts, styles, navigation, headers,
// footers, forms and the like go, and blocks of which more than half of the words are links (Kohlschütter et al. 2010,
// "Boilerplate detection using shallow text features"). Blocks become lines, list items get "- ", <pre> keeps its
// lines. Markup that is nested deeper than 400 elements is left alone (nothing).
std::optional<std::string> html_text(std::string_view text);

}  // namespace pelton::data
