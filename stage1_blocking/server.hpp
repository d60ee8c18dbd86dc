#pragma once
/// \file
/// The accept loop and `handleConnection` of "从源码角度看Golang的TCP Socket(epoll)实现", section
/// "Server端". What stands in for the goroutine of each client is what the stages differ in.

#include "op_error.hpp"
#include "options.hpp"
#include "socket.hpp"

#include <expected>
#include <functional>

namespace stage1 {

/// Echoes to every client until SIGINT or SIGTERM; returns when all connections are closed, at
/// most options.grace later. A second signal ends the process at once, with status 0.
/// \param ready is called once, when nothing that the start needs can fail any more
/// \return an error if the server could not start, or if no client can be accepted any more
std::expected<void, op_error> serve(listener listener, const options& options,
                                    const std::function<void()>& ready);

} // namespace stage1
