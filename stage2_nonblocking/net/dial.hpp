#pragma once
/// \file
/// `net.Dial`: resolves a name and connects. Mirrors "Client端" of "从源码角度看Golang的TCP
/// Socket(epoll)实现", and the client's flow (Connect, Send) of the notes on Go's net package.

#include "../syscall/unique_fd.hpp"
#include "op_error.hpp"
#include "resolve.hpp"

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace stage2 {

/// The time at which an operation gives up. Without a value it never does.
using deadline = std::optional<std::chrono::steady_clock::time_point>;

/// Connects to `where`; fails with "i/o timeout" at `until`. The time for the name lookup counts,
/// but a lookup that takes longer is not interrupted. Go: net.DialTimeout.
std::expected<unique_fd, op_error> dial(const endpoint& where, const deadline& until);

/// Tries the addresses in order until one can be connected to. Each may take an equal share of the
/// time that is left. Go: sysDialer.dialSerial, partialDeadline.
/// \param addresses at least one
/// \return the connection; or, if every address fails, the error of the first
std::expected<unique_fd, op_error> dial_serial(const std::string& network,
                                               const std::vector<address>& addresses,
                                               const deadline& until);

} // namespace stage2
