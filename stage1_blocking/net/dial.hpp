#pragma once
/// \file
/// `net.Dial`: resolves a name and connects. Mirrors "Client端" of "从源码角度看Golang的TCP
/// Socket(epoll)实现", and the client's flow (Connect, Send) of the notes on Go's net package.

#include "../syscall/unique_fd.hpp"
#include "op_error.hpp"
#include "resolve.hpp"

#include <expected>
#include <string>
#include <vector>

namespace stage1 {

/// Connects to `where`; sleeps until it is connected or the kernel gives up. Go: net.Dial.
std::expected<unique_fd, op_error> dial(const endpoint& where);

/// Tries the addresses in order until one can be connected to. Go: sysDialer.dialSerial.
/// \param addresses at least one
/// \return the connection; or, if every address fails, the error of the first
std::expected<unique_fd, op_error> dial_serial(const std::string& network,
                                               const std::vector<address>& addresses);

} // namespace stage1
