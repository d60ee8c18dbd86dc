/// \file
/// The calls in the order of a connection's life: listen() with its steps, accept(), read(),
/// write(), the end.

#include "socket.hpp"

#include "trace.hpp"

#include <fmt/core.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <fstream>
#include <utility>

namespace stage4 {
namespace {

bool set_option(int fd, int level, int name, int value) {
    return ::setsockopt(fd, level, name, &value, sizeof value) == 0;
}

/// Returns the longest backlog that the system allows. Go: net.listenerBacklog, maxListenerBacklog.
int listener_backlog() {
    static const int backlog = [] {
        int limit = 0;
        std::ifstream("/proc/sys/net/core/somaxconn") >> limit;
        return limit > 0 ? limit : SOMAXCONN;
    }();
    return backlog;
}

/// Sets a listener's options, and those that its connections inherit: Linux copies TCP_NODELAY and
/// keep-alive from the listener to each accepted socket, which saves five calls per connection.
/// Go: setDefaultSockopts, setDefaultListenerSockopts; newTCPConn, which sets them per connection.
void set_listener_options(int fd, const address& where) {
    if (where.family() == AF_UNIX) return;
    if (where.family() == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, where.ipv6_only ? 1 : 0);
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 15);  // idle seconds before the first probe
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 15); // seconds between probes
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 9);    // unanswered probes before it is dead
}

// [listen]
/// Opens a socket, binds it to `where` and listens. Go: net.sysSocket and netFD.listenStream.
std::expected<unique_fd, syscall_error> listen_stream(const address& where) {
    unique_fd fd{::socket(where.family(), SOCK_STREAM | socket_flags, 0)};
    if (!fd) return std::unexpected(syscall_error{"socket", errno});
    set_listener_options(fd.get(), where);
    if (::bind(fd.get(), &where.any, where.length) != 0)
        return std::unexpected(syscall_error{"bind", errno});
    if (::listen(fd.get(), listener_backlog()) != 0)
        return std::unexpected(syscall_error{"listen", errno});
    return fd;
}
// [listen]

/// After so many lost connections in a row, accept() returns an error. Without this limit the
/// server could neither pause nor stop while every call of accept4 fails.
constexpr int most_lost = 64;

/// True if the error `number` belongs to the network of the connection that accept4 was about to
/// return. accept(2) asks servers to treat such errors like EAGAIN and to try again.
bool is_about_a_lost_connection(int number) {
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

/// Returns a listener's address as error texts show it. Every interface is shown as the user wrote
/// it (":80", "0.0.0.0:80"), also where `[::]` is used for it. A name is shown as the address that
/// was found for it. Go: TCPAddr.String
std::string asked_for(const endpoint& where, const address& found) {
    if (!where.host.empty() && where.host != "0.0.0.0") return found.to_string();
    return fmt::format("{}:{}", where.host, where.port);
}

} // namespace

std::string listener::name() const {
    return (network == "unix" ? "unix:" : "") + local.to_string();
}

std::expected<listener, op_error> listen(const endpoint& where) {
    auto found = resolve(where, purpose::listen);
    if (!found) return std::unexpected(op_error{"listen", where.network, "", "", found.error()});
    address& at = found->front();
    auto fd = listen_stream(at);
    if (!fd)
        return std::unexpected(
            op_error{"listen", where.network, "", asked_for(where, at), fd.error().message()});
    at.length = sizeof at.storage;
    ::getsockname(fd->get(), &at.any, &at.length);
    const bool has_file = at.family() == AF_UNIX && !where.host.starts_with('@');
    return listener{std::move(*fd), unix_path(has_file ? where.host : ""), where.network, at};
}

// [accept]
std::expected<accepted, syscall_error> accept(int listener) {
    int lost = 0;
    while (true) {
        accepted client;
        client.fd = unique_fd{
            trace::accept4(listener, &client.peer.any, &client.peer.length, socket_flags)};
        if (client.fd) return client;
        const int number = errno;
        if (number == EINTR) continue;
        if (!is_about_a_lost_connection(number) || ++lost == most_lost)
            return std::unexpected(syscall_error{"accept4", number});
    }
}
// [accept]

bool is_about_the_listener(const syscall_error& error) {
    const int number = error.number; // EINVAL: the socket no longer listens
    return number == EBADF || number == EFAULT || number == EINVAL || number == ENOTSOCK ||
           number == EOPNOTSUPP;
}

bool would_block(const syscall_error& error) {
    return error.number == EAGAIN;
}

std::expected<std::size_t, syscall_error> read(int fd, std::span<char> buffer) {
    while (true) {
        const auto n = trace::recv(fd, buffer.data(), buffer.size(), 0);
        if (n >= 0) return static_cast<std::size_t>(n);
        if (errno != EINTR) return std::unexpected(syscall_error{"read", errno});
    }
}

std::expected<std::size_t, syscall_error> write(int fd, std::span<const char> bytes) {
    std::size_t written = 0;
    while (written < bytes.size()) {
        const auto rest = bytes.subspan(written);
        const auto n = trace::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (n >= 0)
            written += static_cast<std::size_t>(n);
        else if (errno == EINTR)
            continue;
        else if (errno == EAGAIN || written > 0)
            break; // no room for the rest, or an error that the next call will return again
        else
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

void reset_at_close(int fd) {
    const linger none{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

} // namespace stage4
