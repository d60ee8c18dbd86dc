#pragma once
/// \file
/// The echo server: the accept loop and `handleConnection` of "从源码角度看Golang的TCP
/// Socket(epoll)实现", section "Server端". In Go each client has a goroutine; the stages differ in
/// what takes its place.

#include "net/listen.hpp"
#include "net/op_error.hpp"
#include "options.hpp"

#include <expected>
#include <functional>

namespace stage5 {

/// Echoes every client's bytes until SIGINT or SIGTERM arrives. Then it accepts no more clients,
/// and returns when all connections are closed, at most options.grace later. A second signal ends
/// the process at once, with status 0.
/// \param ready is called once, after every step of the start that can fail
/// \return an error if the server could not start, or if the listener has failed
std::expected<void, op_error> serve(listener listener, const options& options,
                                    const std::function<void()>& ready);

} // namespace stage5
