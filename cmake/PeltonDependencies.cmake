# Every outside library is found here, once; modules name the targets that they link.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(OpenSSL REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(GTest REQUIRED)
find_package(benchmark QUIET)
find_path(PELTON_EDIT_INCLUDE histedit.h REQUIRED)
find_library(PELTON_EDIT_LIBRARY edit REQUIRED)
# Not by its own package file, which wants HTTP servers and clients for parts of it that we do not use.
find_path(PELTON_PROMETHEUS_INCLUDE prometheus/registry.h REQUIRED)
find_library(PELTON_PROMETHEUS_LIBRARY prometheus-cpp-core REQUIRED)
if(PELTON_ONEDNN)
  find_package(OpenMP REQUIRED) # oneDNN's own threads, which we keep to one
  find_path(PELTON_DNNL_INCLUDE dnnl.hpp REQUIRED)
  find_library(PELTON_DNNL_LIBRARY dnnl REQUIRED)
endif()
