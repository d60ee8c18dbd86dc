# fmt for the preset arm64, compiled here from the headers that this machine has: its library is for its own
# processor, and Debian's for arm64 could only be installed if dpkg were told to manage that architecture as well.
if(TARGET fmt::fmt)
  return()
endif()
find_path(FMT_INCLUDE_DIR fmt/format-inl.h REQUIRED)
add_library(fmt STATIC ${CMAKE_CURRENT_LIST_DIR}/fmt.cpp)
add_library(fmt::fmt ALIAS fmt)
target_include_directories(fmt SYSTEM PUBLIC ${FMT_INCLUDE_DIR})
# If every file compiled fmt's functions for itself (fmt::fmt-header-only), the build would take three times
# as long. Here they are inline, and kept although nothing in fmt.cpp calls them.
target_compile_definitions(fmt PRIVATE FMT_HEADER_ONLY=1)
target_compile_options(fmt PRIVATE -O0 -w -fkeep-inline-functions)
