/// \file
/// Top-down: the name, its addresses, one address.

#include "dial.hpp"

#include "socket.hpp"

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

} // namespace

std::expected<unique_fd, op_error> dial(const endpoint& where) {
    const auto addresses = resolve(where, purpose::dial);
    if (addresses) return dial_serial(where.network, *addresses);
    return std::unexpected(op_error{"dial", where.network, "", "", addresses.error()});
}

std::expected<unique_fd, op_error> dial_serial(const std::string& network,
                                               const std::vector<address>& addresses) {
    std::expected<unique_fd, op_error> first; // an error as soon as one address has failed
    for (const auto& to : addresses) {
        auto fd = connect(to);
        if (fd) return std::move(*fd);
        if (!first) continue;
        first = std::unexpected(op_error{"dial", network, "", to.to_string(), fd.error()});
    }
    return first;
}

} // namespace stage1
