// Sizes in bytes as people write and read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pelton {

// "512M", "1.5GiB", "4096": K, M, G, T are powers of 1024, with or without "B" or "iB", in either case.
// Error kUsage: anything else, zero, or more than 2^62 bytes.
int64_t parse_byte_size(std::string_view text);

// "93.8 MiB", "512 B".
std::string format_byte_size(int64_t bytes);

}  // namespace pelton
