#pragma once
/// \file
/// `net.Dial`: from a name to a connection, "Client端" of "从源码角度看Golang的TCP
/// Socket(epoll)实现" and the client's flow (Connect, Send) of the notes on Go's net package.

#include "address.hpp"
#include "op_error.hpp"
#include "unique_fd.hpp"

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace stage2 {

/// Until when to go on, if there is an end.
using deadline = std::optional<std::chrono::steady_clock::time_point>;

/// Connects to `where`, and gives up at `until`. Go: net.DialTimeout.
std::expected<unique_fd, op_error> dial(const endpoint& where, const deadline& until);

/// Tries one address after the other, each with its share of the time that is left.
/// Go: sysDialer.dialSerial, partialDeadline.
/// \param addresses at least one
/// \return the first connection; or, where none comes about, the first address's error
std::expected<unique_fd, op_error> dial_serial(const std::string& network,
                                               const std::vector<address>& addresses,
                                               const deadline& until);

} // namespace stage2
