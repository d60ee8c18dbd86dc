/// \file
/// dial() resolves the name, dial_serial() tries its addresses, dial_one() and connect() try one.

#include "dial.hpp"

#include "../runtime/poller.hpp"
#include "../syscall/socket.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace stage2 {
namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// Returns the time until the deadline, as a timeout for poller::wait().
milliseconds remaining(const deadline& until) {
    if (!until) return poller::forever;
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(*until - clock::now()));
}

// [connect]
/// Connects to one address. connect() only starts the attempt. When it ends, the socket becomes
/// writable, and SO_ERROR is its result. (A second connect() would return the result as well, but
/// that is not portable.) Go: netFD.connect.
std::expected<unique_fd, std::string> connect(const address& to, const deadline& until) {
    unique_fd fd{::socket(to.family(), SOCK_STREAM | socket_flags, 0)};
    if (!fd) return std::unexpected(syscall_error{"socket", errno}.message());
    if (::connect(fd.get(), &to.any, to.length) == 0) return fd;
    int error = errno;
    if (error == EINPROGRESS || error == EINTR) {
        poller connecting{wait_method::poll};
        const auto added = connecting.add(fd.get(), interest::write);
        if (!added) return std::unexpected(added.error().message());
        while (connecting.wait(remaining(until)).value_or(std::span<const int>()).empty())
            if (remaining(until) == milliseconds(0)) return std::unexpected("i/o timeout");
        socklen_t size = sizeof error;
        ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        if (error == 0) return fd;
    }
    return std::unexpected(syscall_error{"connect", error}.message());
}
// [connect]

/// True if the socket is connected to itself. Linux allows that, and it can happen if no program
/// listens at the port, and the kernel gives this very port to the socket. Go: selfConnect.
bool is_connected_to_itself(int fd) {
    address local, peer;
    ::getsockname(fd, &local.any, &local.length);
    ::getpeername(fd, &peer.any, &peer.length);
    return local.family() != AF_UNIX && local.to_string() == peer.to_string();
}

/// Connects to one address. If the socket is then connected to itself, tries again, up to three
/// times in all. Go: sysDialer.doDialTCP, which also tries three times.
std::expected<unique_fd, std::string> dial_one(const address& to, const deadline& until) {
    auto fd = connect(to, until);
    for (int again = 0; again < 2 && fd && is_connected_to_itself(fd->get()); ++again)
        fd = connect(to, until);
    return fd;
}

} // namespace

std::expected<unique_fd, op_error> dial(const endpoint& where, const deadline& until) {
    const auto addresses = resolve(where, purpose::dial);
    if (addresses) return dial_serial(where.network, *addresses, until);
    return std::unexpected(op_error{"dial", where.network, "", "", addresses.error()});
}

std::expected<unique_fd, op_error> dial_serial(const std::string& network,
                                               const std::vector<address>& addresses,
                                               const deadline& until) {
    std::expected<unique_fd, op_error> first; // becomes the first address's error
    auto left = static_cast<int>(addresses.size());
    for (const auto& to : addresses) {
        deadline share = until;
        if (until) share = clock::now() + (*until - clock::now()) / left--;
        auto fd = dial_one(to, share);
        if (fd) return std::move(*fd);
        if (!first) continue;
        first = std::unexpected(op_error{"dial", network, "", to.to_string(), fd.error()});
    }
    return first;
}

} // namespace stage2
