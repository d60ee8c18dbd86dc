# fmt for the preset arm64: its headers alone. Debian's compiled one would need a second architecture in dpkg.
include(${CMAKE_CURRENT_LIST_DIR}/headers.cmake)
headers_only(fmt::fmt fmt FMT_HEADER_ONLY=1)
set(fmt_FOUND TRUE)
