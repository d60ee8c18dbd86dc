#pragma once
/// \file
/// `net.Dial`: from a name to a connection, "Client端" of "从源码角度看Golang的TCP
/// Socket(epoll)实现" and the client's flow (Connect, Send) of the notes on Go's net package.

#include "address.hpp"
#include "net.hpp"
#include "task.hpp"

#include <chrono>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace stage5::net {

/// What dial() gives.
using dialed = std::expected<conn, error>;

/// Connects to an address of a network, "tcp", "tcp4", "tcp6" or "unix". A name may have several
/// addresses: they are tried one after the other, and if it has them of both families, the second
/// family begins when the first has not connected for 300 ms. Go: net.DialTimeout
/// \param timeout for all of it; 0 is no limit
task<dialed> dial(std::string network, std::string address, std::chrono::nanoseconds timeout = {});

/// Lets somebody else end a dial() in progress. Thread-safe. Go: context.Context, its half of it
class cancellation {
public:
    /// Ends what was and will be added.
    void cancel();
    /// \return false if it is cancelled already
    bool add(const fd_ref& connecting);
    /// It has connected, or failed: cancel() does nothing to it any more.
    void remove(const fd_ref& connected);

private:
    std::mutex mutex_; ///< protects what follows
    bool cancelled_ = false;
    std::vector<fd_ref> connecting_;
};

/// One address after the other, each with its share of the time that is left.
/// Go: sysDialer.dialSerial
/// \param addresses at least one
/// \return the first connection; or, where none comes about, the first address's error
task<dialed> dial_serial(std::string network, std::vector<address> addresses, deadline until,
                         std::shared_ptr<cancellation> race);

/// Two families race: the second begins after `delay`, or when the first has failed; who connects
/// first has won, and the other one is closed. Go: sysDialer.dialParallel, RFC 8305
/// \return or the first family's error
task<dialed> dial_parallel(std::string network, std::vector<address> first,
                           std::vector<address> second, deadline until,
                           std::chrono::nanoseconds delay = std::chrono::milliseconds(300));

/// When the next of so many addresses has to be given up: an equal share, but no less than two
/// seconds while there are as many. Go: partialDeadline
/// \return nothing if it is too late already
std::optional<deadline> partial_deadline(deadline now, deadline until, std::size_t addresses);

} // namespace stage5::net
