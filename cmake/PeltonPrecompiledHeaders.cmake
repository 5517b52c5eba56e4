# What most sources include of others' headers, parsed once: a third of the time that compiling takes from nothing.
# Sources include what they need all the same: clang-tidy and the arm64 preset read them without these.
# -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON turns it off.

set(PELTON_PRECOMPILED
    <algorithm> <array> <atomic> <charconv> <chrono> <cmath> <cstddef> <cstdint> <cstring> <deque> <filesystem> <fstream>
    <functional> <limits> <map> <memory> <mutex> <numeric> <optional> <set> <span> <string> <string_view> <thread>
    <unordered_map> <utility> <variant> <vector>
    <boost/json.hpp> <fmt/format.h>)

# pelton_precompile(TARGET ID [HEADER...]): one precompiled header for all targets of one ID, which have the same flags;
# the first of them builds it.
function(pelton_precompile target id)
  if(PELTON_KERNELS_ONLY)
    return()
  endif()
  get_property(first GLOBAL PROPERTY pelton_precompiled_${id})
  if(first)
    target_precompile_headers(${target} REUSE_FROM ${first})
  else()
    target_precompile_headers(${target} PRIVATE ${PELTON_PRECOMPILED} ${ARGN})
    set_property(GLOBAL PROPERTY pelton_precompiled_${id} ${target})
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    target_compile_options(${target} PRIVATE -fpch-preprocess) # else ccache cannot tell which one was used
  endif()
endfunction()
