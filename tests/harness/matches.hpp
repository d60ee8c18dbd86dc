#pragma once
/// \file
/// Comparing text with a pattern. std::regex would take longer to compile than the rest of a test.

#include <fnmatch.h>

#include <string>

namespace harness {

/// True if all of `text` matches a shell's pattern, in which `?` is any character, `*` any text,
/// and [0-9] a digit.
inline bool matches(const std::string& text, const std::string& pattern) {
    return ::fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
}

} // namespace harness
