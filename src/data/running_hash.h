// The hash of a file while it goes by.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace pelton::data {

// The hash of bytes that come piece by piece, kept over a restart. XXH3, 128 bits, as `xxhsum -H2` prints it.
class RunningHash {
 public:
  RunningHash();
  void add(std::string_view bytes);
  std::string to_hex() const;
  // The inner state, for a checkpoint of the same program.
  std::string save() const;
  void restore(std::string_view saved);

 private:
  // XXH3_state_t asks for 64 bytes of alignment; it is opaque here.
  alignas(64) std::array<char, 576> state_;
};

}  // namespace pelton::data
