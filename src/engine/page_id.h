// Names of pages of the KV cache within their pool.
#pragma once

#include <cstdint>

namespace pelton {

enum class PageId : int32_t {};

constexpr int32_t index_of(PageId page) { return static_cast<int32_t>(page); }

// What one page holds is to be in another one as well, in all layers of its kind.
struct PageCopy {
  PageId from;
  PageId to;

  friend bool operator==(const PageCopy&, const PageCopy&) = default;
};

}  // namespace pelton
