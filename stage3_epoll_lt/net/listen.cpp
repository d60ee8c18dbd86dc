/// \file
/// listen() and its steps.

#include "listen.hpp"

#include "../syscall/socket.hpp"

#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <fstream>
#include <utility>

namespace stage3 {
namespace {

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

/// Returns a listener's address as error texts show it. Every interface is shown as the user wrote
/// it (":80", "0.0.0.0:80"), also where `[::]` is used for it. A name is shown as the address that
/// was found for it. Go: TCPAddr.String
std::string shown_address(const endpoint& where, const address& found) {
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
            op_error{"listen", where.network, "", shown_address(where, at), fd.error().message()});
    at.length = sizeof at.storage;
    ::getsockname(fd->get(), &at.any, &at.length);
    const bool has_file = at.family() == AF_UNIX && !where.host.starts_with('@');
    return listener{std::move(*fd), unix_path(has_file ? where.host : ""), where.network, at};
}

} // namespace stage3
