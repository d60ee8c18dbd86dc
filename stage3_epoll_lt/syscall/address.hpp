#pragma once
/// \file
/// An address as the kernel takes it, and as texts show it. Go: syscall.Sockaddr, net.TCPAddr.

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <string>
#include <string_view>

namespace stage3 {

/// A socket address in the kernel's form. Go: net.TCPAddr, net.UnixAddr.
struct address {
    union {
        sockaddr_storage storage{}; ///< all zero until another member is filled in
        sockaddr any;     ///< for system calls; its sa_family tells which member is in use
        sockaddr_in in;   ///< AF_INET; the port is in network byte order
        sockaddr_in6 in6; ///< AF_INET6; the port is in network byte order
        sockaddr_un un;   ///< AF_UNIX; an abstract name begins with a zero byte
    };
    /// The number of bytes in use. While the address is empty: how many a call such as accept4 may
    /// fill.
    socklen_t length = sizeof(sockaddr_storage);
    bool ipv6_only = false; ///< the value of IPV6_V6ONLY for a socket with this address

    /// Returns AF_INET, AF_INET6 or AF_UNIX; AF_UNSPEC if no address has been filled in.
    [[nodiscard]] int family() const noexcept { return any.sa_family; }
    /// Returns "127.0.0.1:80", "[::1]:80", "/run/echo.sock" or "@abstract". An IPv4 client of an
    /// IPv6 socket is shown as IPv4. Go: TCPAddr.String, UnixAddr.String. \see printable
    [[nodiscard]] std::string to_string() const;
};

/// Returns `name` unchanged if all of it is printable, otherwise quoted and escaped. A name may
/// come from a client, as the path of its Unix socket does. Without the quotes it could look like
/// another line of the log, or contain commands to the terminal.
std::string printable(std::string_view name);

} // namespace stage3
