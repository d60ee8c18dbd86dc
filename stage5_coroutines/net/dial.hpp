#pragma once
/// \file
/// `net.Dial`, from a name to a connection: "Client端" of "从源码角度看Golang的TCP
/// Socket(epoll)实现" and the client's flow (Connect, Send) of the notes on Go's net package.

#include "../runtime/task.hpp"
#include "../syscall/address.hpp"
#include "conn.hpp"

#include <chrono>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace stage5::net {

/// A connection, or the error of dial().
using dialed = std::expected<conn, error>;

/// Connects to an address of a network: "tcp", "tcp4", "tcp6" or "unix". If a name has several
/// addresses, tries one after the other. If they are of both families, begins with the second
/// family when the first has not connected after 300 ms. Go: net.DialTimeout
/// \param timeout for all of it; 0: no limit
task<dialed> dial(std::string network, std::string address, std::chrono::nanoseconds timeout = {});

/// Ends a dial() in progress from another coroutine. Thread-safe. Go: context.Context, but only
/// that part of it
class cancellation {
public:
    /// Closes all sockets that were added. From then on add() fails.
    void cancel();
    /// Adds a socket that is connecting. \return false after cancel()
    bool add(const fd_ref& connecting);
    /// Takes a socket out, which has connected or failed: cancel() does not close it any more.
    void remove(const fd_ref& connected);

private:
    std::mutex mutex_; ///< protects what follows
    bool cancelled_ = false;
    std::vector<fd_ref> connecting_;
};

/// Tries one address after the other, each with its share of the time that is left.
/// Go: sysDialer.dialSerial
/// \param addresses at least one
/// \return the first connection; if none succeeds, the first address's error
task<dialed> dial_serial(std::string network, std::vector<address> addresses, deadline until,
                         std::shared_ptr<cancellation> race);

/// Dials two families in parallel. The second begins after `delay`, or when the first has failed.
/// The first connection wins, and the other attempt is closed. Go: sysDialer.dialParallel, RFC 8305
/// \return the connection; if both fail, the first family's error
task<dialed> dial_parallel(std::string network, std::vector<address> first,
                           std::vector<address> second, deadline until,
                           std::chrono::nanoseconds delay = std::chrono::milliseconds(300));

/// Returns the deadline of the next address, if so many share the time that is left: an equal
/// share, but at least two seconds, or all that is left if that is less. Go: partialDeadline
/// \return nothing if no time is left
std::optional<deadline> partial_deadline(deadline now, deadline until, std::size_t addresses);

} // namespace stage5::net
