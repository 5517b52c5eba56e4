// What CLI11 asks of an option's text before it converts it: what is wrong with it, or an empty string.
#pragma once

#include <functional>
#include <string>

namespace pelton::cli {

// CLI11's own checks let NaN and infinity through.
std::string positive_number_problem(const std::string& text);
// A finite number from 0 to `max`.
std::string number_problem(const std::string& text, double max);

// At least one character, all of them visible or spaces.
std::string name_problem(const std::string& text);

// What `read` throws as an Error, which says what is wrong with the text that it reads.
std::string problem_of(const std::function<void()>& read);
// What base/byte_size.h reads, as in 512M.
std::string byte_size_problem(const std::string& text);

}  // namespace pelton::cli
