/// \file
/// The calls in the order of a connection's life: accept(), read(), write(), the end.

#include "socket.hpp"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace stage1 {
namespace {

/// After so many lost connections in a row, accept() returns an error. Without this limit the
/// server could neither pause nor stop while every call of accept4 fails.
constexpr int max_lost_in_a_row = 64;

/// True if the error `number` belongs to the network of the connection that accept4 was about to
/// return. accept(2) asks servers to treat such errors like EAGAIN and to try again.
bool is_lost_connection_error(int number) {
    switch (number) {
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case ENONET:
    case EHOSTDOWN:
    case EHOSTUNREACH:
        return true;
    default:
        return false;
    }
}

} // namespace

bool set_option(int fd, int level, int name, int value) {
    return ::setsockopt(fd, level, name, &value, sizeof value) == 0;
}

// [accept]
std::expected<accepted, syscall_error> accept(int listener) {
    int lost = 0;
    while (true) {
        accepted client;
        client.fd = unique_fd{
            ::accept4(listener, &client.peer.any, &client.peer.length, socket_flags)};
        if (client.fd) return client;
        const int number = errno;
        if (number == EINTR) continue;
        if (!is_lost_connection_error(number) || ++lost == max_lost_in_a_row)
            return std::unexpected(syscall_error{"accept4", number});
    }
}
// [accept]

bool is_listener_error(const syscall_error& error) {
    const int number = error.number; // EINVAL: the socket no longer listens
    return number == EBADF || number == EFAULT || number == EINVAL || number == ENOTSOCK ||
           number == EOPNOTSUPP;
}

std::expected<std::size_t, syscall_error> read(int fd, std::span<char> buffer) {
    while (true) {
        const auto n = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (n >= 0) return static_cast<std::size_t>(n);
        if (errno != EINTR) return std::unexpected(syscall_error{"read", errno});
    }
}

std::expected<std::size_t, syscall_error> write(int fd, std::span<const char> bytes) {
    std::size_t written = 0;
    while (written < bytes.size()) {
        const auto rest = bytes.subspan(written);
        const auto n = ::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (n >= 0)
            written += static_cast<std::size_t>(n);
        else if (errno != EINTR)
            return std::unexpected(syscall_error{"write", errno});
    }
    return written;
}

int unacknowledged(int fd) {
    int bytes = 0;
    return ::ioctl(fd, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

bool is_all_acknowledged(int fd) {
    tcp_info info{};
    socklen_t size = sizeof info;
    // A Unix socket has no TCP_INFO, and its bytes are in the peer's receive queue already.
    if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return true;
    if (info.tcpi_state == TCP_CLOSE) return true; // after a reset nothing more is acknowledged
    return unacknowledged(fd) == 0;
}

} // namespace stage1
