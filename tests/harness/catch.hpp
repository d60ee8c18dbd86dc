#pragma once
/// \file
/// Catch2, whichever the system has: 2.13 (Debian 12) or 3.x. Every test includes this header
/// and uses only what both versions share, or what is given one name here.

#include <string>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

namespace harness {

/// For CHECK_THAT: the text has `part` in it.
inline auto contains(const std::string& part) {
#if __has_include(<catch2/catch_all.hpp>)
    return Catch::Matchers::ContainsSubstring(part);
#else
    return Catch::Matchers::Contains(part);
#endif
}

/// For CHECK_THAT: the text begins with `start`.
inline auto starts_with(const std::string& start) {
    return Catch::Matchers::StartsWith(start);
}

} // namespace harness

#if __has_include(<catch2/catch_all.hpp>)
using Catch::Approx;
#endif
