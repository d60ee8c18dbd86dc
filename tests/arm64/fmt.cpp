/// \file
/// All of fmt's functions: Findfmt.cmake.

#include <fmt/format.h>
