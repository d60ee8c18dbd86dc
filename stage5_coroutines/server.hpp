#pragma once
/// \file
/// The accept loop and `handleConnection` of "从源码角度看Golang的TCP Socket(epoll)实现", section
/// "Server端". What stands in for the goroutine of each client is what the stages differ in.

#include "op_error.hpp"
#include "options.hpp"
#include "socket.hpp"

#include <expected>

namespace stage5 {

/// Keeps SIGINT and SIGTERM from ending the process; serve() takes them when it is ready. To be
/// called before there are threads: they inherit it.
void block_stop_signals();

/// Echoes to every client until SIGINT or SIGTERM; returns when all connections are closed, at
/// most options.grace later. A second signal ends the process at once, with status 0.
/// \return or why no client can be accepted any more
std::expected<void, op_error> serve(listener listener, const options& options);

} // namespace stage5
