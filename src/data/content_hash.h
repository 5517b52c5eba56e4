// The hash of what a record says: equal for equal content, whatever file, format or spelling of JSON it came in.
#pragma once

#include <memory>
#include <string_view>

#include "data/record.h"

namespace pelton::data {

// XXH3's 128 bits over all that is added. Not against forgers.
class ContentHasher {
 public:
  ContentHasher();
  ~ContentHasher();
  ContentHasher(const ContentHasher&) = delete;
  ContentHasher& operator=(const ContentHasher&) = delete;

  // Its length counts too: "ab", "c" is not "a", "bc".
  void add(std::string_view text);
  // What is not text: kind, roles, counts of turns, names, tool calls.
  void add_structure(const Record& record);
  ContentHash hash() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// XXH3, 64 bits.
uint64_t hash_bytes(std::string_view bytes);

// Of the content as it is now. Fields, id and source do not count.
ContentHash content_hash(const Record& record);

}  // namespace pelton::data
