#pragma once
/// \file
/// Standard error, a line at a time. Standard output has one line only, `listening on ...`.

#include "address.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <iterator>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace stage4 {

/// Whether note() prints: --verbose. Written once, before there are threads.
inline bool verbose = false;

/// One line on standard error, in one write. Thread-safe. A reader that has gone away is no
/// reason to fail; neither is a lack of memory, since lines of 500 bytes need none.
template <typename... Args>
void log(fmt::format_string<Args...> format, Args&&... args) {
    fmt::memory_buffer line;
    fmt::format_to(std::back_inserter(line), format, std::forward<Args>(args)...);
    line.push_back('\n');
    std::fwrite(line.data(), 1, line.size(), stderr);
}

/// What the articles' programs print: who came, who left.
inline void note(std::string_view what, const address& who) try {
    if (verbose) log("{} {}", what, who.to_string());
} catch (const std::bad_alloc&) {
    // Then it goes unsaid.
}

/// And what was received or sent: the beginning of it, in quotes, so that no byte of a client's
/// reaches the terminal as a command.
inline void note(std::string_view what, const address& who, std::span<const char> bytes) try {
    constexpr std::size_t shown = 64;
    if (!verbose) return;
    const std::string_view text(bytes.data(), std::min(bytes.size(), shown));
    log("{} {}: {:?}{}", what, who.to_string(), text,
        bytes.size() > shown ? fmt::format("... ({} bytes)", bytes.size()) : "");
} catch (const std::bad_alloc&) {
    // Then it goes unsaid.
}

} // namespace stage4
