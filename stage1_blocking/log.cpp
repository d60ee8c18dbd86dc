/// \file
/// Formats log lines and writes them.

#include "log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <new>

namespace stage1 {

void vlog(fmt::string_view format, fmt::format_args args) {
    fmt::memory_buffer line;
    fmt::vformat_to(fmt::appender(line), format, args);
    // Names and received bytes are quoted by the caller. A control character from anywhere else
    // becomes '?', so that the entry stays on one line.
    std::ranges::replace_if(
        line, [](unsigned char c) { return c < ' ' || c == 127; }, '?');
    line.push_back('\n');
    std::fwrite(line.data(), 1, line.size(), stderr);
}

void log_event(std::string_view what, const address& who) try {
    if (verbose) log("{} {}", what, who.to_string());
} catch (const std::bad_alloc&) {
    // No memory for the line: only the line is lost, the client is still served.
}

void log_event(std::string_view what, const address& who, std::span<const char> bytes) try {
    constexpr std::size_t shown = 64;
    if (!verbose) return;
    const std::string_view text(bytes.data(), std::min(bytes.size(), shown));
    log("{} {}: {:?}{}", what, who.to_string(), text,
        bytes.size() > shown ? fmt::format("... ({} bytes)", bytes.size()) : "");
} catch (const std::bad_alloc&) {
    // No memory for the line: only the line is lost, the client is still served.
}

} // namespace stage1
