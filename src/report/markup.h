// Text inside XML and HTML.
#pragma once

#include <string>
#include <string_view>

namespace pelton {

// &, <, > and " as entities; control characters, which XML does not know, are left out.
std::string escaped_markup(std::string_view text);

}  // namespace pelton
