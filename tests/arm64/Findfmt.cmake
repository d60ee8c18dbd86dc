# fmt for the preset arm64, compiled here from the headers that this machine has: its library is for its own
# processor, and Debian's for arm64 could only be installed if dpkg were told to manage that architecture as well.
if(TARGET fmt::fmt)
  return()
endif()
find_path(FMT_INCLUDE_DIR fmt/format-inl.h REQUIRED)
add_library(arm64_fmt STATIC ${CMAKE_CURRENT_LIST_DIR}/fmt.cpp)
target_include_directories(arm64_fmt SYSTEM PUBLIC ${FMT_INCLUDE_DIR})
# If every file compiled fmt's functions for itself (fmt::fmt-header-only), the build would take three times
# as long. Here they are inline, and kept although nothing in fmt.cpp calls them.
target_compile_definitions(arm64_fmt PRIVATE FMT_HEADER_ONLY=1)
target_compile_options(arm64_fmt PRIVATE -O0 -w -fkeep-inline-functions)
# Imported, as where fmt is installed: what stage 5 installs names fmt::fmt and does not contain it.
add_library(fmt::fmt INTERFACE IMPORTED GLOBAL)
target_link_libraries(fmt::fmt INTERFACE arm64_fmt)
