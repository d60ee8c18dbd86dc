#pragma once
/// \file
/// Comparing text with a pattern. std::regex would take longer to compile than the rest of a test.

#include <regex.h>

#include <stdexcept>
#include <string>

namespace harness {

/// True if some part of `text` matches `pattern`, an extended regular expression of POSIX; with ^
/// and $, if all of it does. \throws std::invalid_argument if `pattern` is none
inline bool matches(const std::string& text, const std::string& pattern) {
    regex_t compiled;
    if (::regcomp(&compiled, pattern.c_str(), REG_EXTENDED | REG_NOSUB) != 0)
        throw std::invalid_argument("not a regular expression: " + pattern);
    const bool found = ::regexec(&compiled, text.c_str(), 0, nullptr, 0) == 0;
    ::regfree(&compiled);
    return found;
}

} // namespace harness
