# What PELTON_KERNELS_ONLY needs instead of PeltonDependencies.cmake, for another machine than this one: libraries as
# this machine's headers, which are the same everywhere, and GoogleTest from its source.
find_package(Threads REQUIRED)

# The headers alone, by links: the rest of their folder (/usr/include) describes this machine.
set(PELTON_HEADERS ${PROJECT_BINARY_DIR}/headers)
file(MAKE_DIRECTORY ${PELTON_HEADERS})
foreach(library boost fmt spdlog)
  find_path(PELTON_${library}_INCLUDE ${library} REQUIRED NO_CMAKE_FIND_ROOT_PATH)
  file(CREATE_LINK ${PELTON_${library}_INCLUDE}/${library} ${PELTON_HEADERS}/${library} SYMBOLIC)
endforeach()

add_library(pelton_fmt INTERFACE)
target_include_directories(pelton_fmt SYSTEM INTERFACE ${PELTON_HEADERS})
target_compile_definitions(pelton_fmt INTERFACE FMT_HEADER_ONLY)
add_library(fmt::fmt ALIAS pelton_fmt)

add_library(pelton_spdlog INTERFACE) # without SPDLOG_COMPILED_LIB it is all in its headers
target_link_libraries(pelton_spdlog INTERFACE pelton_fmt)
add_library(spdlog::spdlog ALIAS pelton_spdlog)

file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/boost_json.cc CONTENT "#include <boost/json/src.hpp>\n")
add_library(pelton_boost_json STATIC ${PROJECT_BINARY_DIR}/boost_json.cc)
target_include_directories(pelton_boost_json SYSTEM PUBLIC ${PELTON_HEADERS})
add_library(Boost::json ALIAS pelton_boost_json)

find_path(PELTON_GOOGLETEST_SOURCE googletest/CMakeLists.txt PATHS /usr/src/googletest REQUIRED NO_CMAKE_FIND_ROOT_PATH)
set(INSTALL_GTEST OFF)
add_subdirectory(${PELTON_GOOGLETEST_SOURCE} ${PROJECT_BINARY_DIR}/googletest EXCLUDE_FROM_ALL SYSTEM)
target_compile_options(gtest PRIVATE -w) # its warnings are not ours to mend
target_compile_options(gmock PRIVATE -w)
