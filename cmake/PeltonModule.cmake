# pelton_module(NAME [DEPENDS module...] [LINK target...] [PRECOMPILE header...])
#
# One folder of src/ is one static library `pelton_NAME`. `*_test.cc` beside the sources become the program
# `test_NAME`; `*_avx2.cc`, `*_avx512.cc` and `*_neon.cc` are compiled for their instruction set and for nothing else.
include(PeltonPrecompiledHeaders)

set(PELTON_WARNINGS -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # GCC 12 warns of std::string + (GCC bug 105651), and of more inside its library where that was precompiled.
  list(APPEND PELTON_WARNINGS -Wno-restrict -Wno-stringop-overflow)
endif()
if(PELTON_WERROR)
  list(APPEND PELTON_WARNINGS -Werror)
endif()

set(PELTON_AVX2_FLAGS -mavx2 -mfma -mf16c)
# g++ 12 warns falsely inside its own AVX-512 headers.
set(PELTON_AVX512_FLAGS -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx512bf16 -mfma -mf16c -Wno-maybe-uninitialized)

set(PELTON_NEON_FLAGS -march=armv8.2-a+dotprod)

if(PELTON_SANITIZE STREQUAL thread)
  # Kernels are pure functions that know of no threads. Watched, they are 50 times slower, and the tests that run a whole
  # model do not end. What threads write, the scalar kernels show: they stay watched, and test_ops runs with them too.
  foreach(flags PELTON_AVX2_FLAGS PELTON_AVX512_FLAGS PELTON_NEON_FLAGS)
    list(APPEND ${flags} -fno-sanitize=thread)
  endforeach()
endif()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  # Its base has fused multiply-adds: the references would round once where they are to round twice.
  add_compile_options(-ffp-contract=off)
endif()

function(pelton_target_defaults target)
  target_compile_options(${target} PRIVATE ${PELTON_WARNINGS})
  if(PELTON_SANITIZE)
    # Without recovery: what UBSan finds fails the test, and is no line in its log.
    target_compile_options(${target} PRIVATE
      -fsanitize=${PELTON_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(${target} PRIVATE -fsanitize=${PELTON_SANITIZE})
  endif()
  if(PELTON_FUZZ)
    # Coverage that guides the fuzzer. Without what Clang 14 puts before functions to check their types: it cannot
    # for coroutines ("Cannot represent a difference across sections").
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link -fno-sanitize=function)
  endif()
endfunction()

# Where the tests' files lie (base/golden_dir.h), in a source of its own: as a macro of every test it would keep clones
# from sharing what ccache holds.
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/golden_dir.cc CONTENT [[
#include "base/golden_dir.h"
const char* const pelton::kGoldenDir = "@PROJECT_SOURCE_DIR@/tests/golden";
]] @ONLY)
add_library(pelton_golden_dir STATIC ${PROJECT_BINARY_DIR}/golden_dir.cc)
target_include_directories(pelton_golden_dir PRIVATE ${PROJECT_SOURCE_DIR}/src)

function(pelton_module name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK;PRECOMPILE" ${ARGN})
  set(folder ${CMAKE_CURRENT_SOURCE_DIR}/${name})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${folder}/*.cc)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")

  set(library pelton_${name})
  if(sources)
    add_library(${library} STATIC ${sources})
    pelton_target_defaults(${library})
    if(ARG_PRECOMPILE)
      pelton_precompile(${library} ${name} ${ARG_PRECOMPILE})
    else()
      pelton_precompile(${library} library)
    endif()
    set(visibility PUBLIC)
    # Other instructions than the header was compiled for; and no library's functions in them (lint.isa_symbols).
    set(isa_sources ${sources})
    list(FILTER isa_sources INCLUDE REGEX "_(avx2|avx512|neon)\\.cc$")
    set_source_files_properties(${isa_sources} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
      foreach(source IN LISTS sources)
        if(source MATCHES "_avx2\\.cc$")
          set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${PELTON_AVX2_FLAGS}")
        elseif(source MATCHES "_avx512\\.cc$")
          set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${PELTON_AVX512_FLAGS}")
        endif()
      endforeach()
    elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
      set(neon_sources ${sources})
      list(FILTER neon_sources INCLUDE REGEX "_neon\\.cc$")
      set_source_files_properties(${neon_sources} PROPERTIES COMPILE_OPTIONS "${PELTON_NEON_FLAGS}")
    endif()
  else()
    add_library(${library} INTERFACE)
    set(visibility INTERFACE)
  endif()
  target_include_directories(${library} ${visibility} ${PROJECT_SOURCE_DIR}/src)
  foreach(module IN LISTS ARG_DEPENDS)
    target_link_libraries(${library} ${visibility} pelton_${module})
  endforeach()
  target_link_libraries(${library} ${visibility} ${ARG_LINK})

  if(tests)
    add_executable(test_${name} ${tests})
    pelton_target_defaults(test_${name})
    target_compile_options(test_${name} PRIVATE $<$<CONFIG:Release>:-O1>) # they run once for each time they are compiled
    pelton_precompile(test_${name} test <gmock/gmock.h> <gtest/gtest.h>)
    target_link_libraries(test_${name} PRIVATE ${library} pelton_golden_dir GTest::gtest GTest::gmock GTest::gtest_main)
    add_test(NAME ${name} COMMAND test_${name})
    if(PELTON_SANITIZE STREQUAL thread AND name STREQUAL ops)
      add_test(NAME ops.scalar COMMAND test_ops)
      set_tests_properties(ops.scalar PROPERTIES
        ENVIRONMENT "PELTON_ISA=scalar;GTEST_OUTPUT=xml:${CMAKE_BINARY_DIR}/test-results/ops.scalar.xml")
    endif()
  endif()
endfunction()
