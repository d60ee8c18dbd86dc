#pragma once
/// \file
/// `net.Dial`: from a name to a connection, "Client端" of "从源码角度看Golang的TCP
/// Socket(epoll)实现" and the client's flow (Connect, Send) of the notes on Go's net package.

#include "address.hpp"
#include "op_error.hpp"
#include "unique_fd.hpp"

#include <expected>
#include <string>
#include <vector>

namespace stage1 {

/// Connects to `where`; sleeps until it is connected or the system gives up. Go: net.Dial.
std::expected<unique_fd, op_error> dial(const endpoint& where);

/// Tries one address after the other. Go: sysDialer.dialSerial.
/// \param addresses at least one
/// \return the first connection; or, where none comes about, the first address's error
std::expected<unique_fd, op_error> dial_serial(const std::string& network,
                                               const std::vector<address>& addresses);

} // namespace stage1
