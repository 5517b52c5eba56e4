// Text inside XML and HTML.
#pragma once

#include <string>
#include <string_view>

namespace pelton {

// &, <, > and " as entities; control characters that XML does not know (all but tab and ends of lines) are left out.
std::string escaped_markup(std::string_view text);

}  // namespace pelton
