#pragma once
/// \file
/// Log lines, on standard error. A server writes only one line to standard output:
/// `listening on ...`.

#include "syscall/address.hpp"

#include <fmt/core.h>

#include <span>
#include <string_view>

namespace stage4 {

/// True with --verbose: log_event() prints. Set once, before any thread is started.
inline bool verbose = false;

/// Does the work of log(). The types of the arguments are erased, so that the formatting code is
/// compiled only once.
void vlog(fmt::string_view format, fmt::format_args args);

/// Writes one line to standard error, in one write. Thread-safe. Ignores errors of that write: a
/// log that nothing reads any more must not end the server. Allocates no memory for a line of up
/// to 500 bytes.
template <typename... Args>
void log(fmt::format_string<const Args&...> format, const Args&... args) {
    vlog(format, fmt::make_format_args(args...));
}

/// With --verbose, logs what happened to a client, as the articles' programs print it:
/// "serving 127.0.0.1:50312".
void log_event(std::string_view what, const address& who);

/// With --verbose, logs what was received or sent: its first 64 bytes, quoted. Without the quoting
/// a terminal could take a client's bytes for commands.
void log_event(std::string_view what, const address& who, std::span<const char> bytes);

} // namespace stage4
