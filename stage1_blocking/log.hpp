#pragma once
/// \file
/// Standard error, a line at a time. Standard output has one line only, `listening on ...`.

#include "address.hpp"

#include <fmt/core.h>

#include <span>
#include <string_view>

namespace stage1 {

/// Whether note() prints: --verbose. Written once, before there are threads.
inline bool verbose = false;

/// log() with its arguments' types erased, so that the formatting itself is compiled only once.
void vlog(fmt::string_view format, fmt::format_args args);

/// Writes one line to standard error, in one write. Thread-safe. Does not fail if nothing reads
/// standard error any more, and needs no memory for a line of up to 500 bytes.
template <typename... Args>
void log(fmt::format_string<const Args&...> format, const Args&... args) {
    vlog(format, fmt::make_format_args(args...));
}

/// Logs, with --verbose, what the articles' programs print: which client came or left.
void note(std::string_view what, const address& who);

/// Logs, with --verbose, what was received or sent: its first 64 bytes, quoted, so that the
/// terminal does not take a client's bytes for commands.
void note(std::string_view what, const address& who, std::span<const char> bytes);

} // namespace stage1
