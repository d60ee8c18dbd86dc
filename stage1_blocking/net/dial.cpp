/// \file
/// dial() resolves the name, dial_serial() tries its addresses, dial_one() and connect() try one.

#include "dial.hpp"

#include "../syscall/socket.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace stage1 {
namespace {

// [connect]
std::expected<unique_fd, std::string> connect(const address& to) {
    unique_fd fd{::socket(to.family(), SOCK_STREAM | socket_flags, 0)};
    if (!fd) return std::unexpected(syscall_error{"socket", errno}.message());
    if (::connect(fd.get(), &to.any, to.length) != 0)
        return std::unexpected(syscall_error{"connect", errno}.message());
    return fd;
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
std::expected<unique_fd, std::string> dial_one(const address& to) {
    auto fd = connect(to);
    for (int again = 0; again < 2 && fd && is_connected_to_itself(fd->get()); ++again)
        fd = connect(to);
    return fd;
}

} // namespace

std::expected<unique_fd, op_error> dial(const endpoint& where) {
    const auto addresses = resolve(where, purpose::dial);
    if (addresses) return dial_serial(where.network, *addresses);
    return std::unexpected(op_error{"dial", where.network, "", "", addresses.error()});
}

std::expected<unique_fd, op_error> dial_serial(const std::string& network,
                                               const std::vector<address>& addresses) {
    std::expected<unique_fd, op_error> first; // becomes the first address's error
    for (const auto& to : addresses) {
        auto fd = dial_one(to);
        if (fd) return std::move(*fd);
        if (!first) continue;
        first = std::unexpected(op_error{"dial", network, "", to.to_string(), fd.error()});
    }
    return first;
}

} // namespace stage1
