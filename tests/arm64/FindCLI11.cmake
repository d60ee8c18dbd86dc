# CLI11 for the preset arm64.
include(${CMAKE_CURRENT_LIST_DIR}/headers.cmake)
headers_only(CLI11::CLI11 CLI)
set(CLI11_FOUND TRUE)
