#pragma once
/// \file
/// What `net.Listen` and `net.Dial` are told ("localhost:http"), and what the kernel is told
/// instead (a sockaddr). Answers `resolveAddrList` in the Listen sections of "Tcp服务端源码" and of
/// the notes on Go's net package. Nothing here creates a socket that outlives the call.

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace stage1 {

/// What a person wrote, taken apart; no name has been looked up yet.
struct endpoint {
    std::string network;    ///< "tcp", "tcp4", "tcp6" or "unix", as Go calls them
    std::string host;       ///< a name, an IP address, or a Unix path; empty is every interface
    std::uint16_t port = 0; ///< 0: the kernel chooses
};

/// Takes an address of `network` apart. Go: net.SplitHostPort and Resolver.LookupPort.
/// \return or what is wrong with it, in Go's words: "address 8080: missing port in address"
std::expected<endpoint, std::string> parse_endpoint(std::string_view network,
                                                    std::string_view text);

/// The same for the command line, where "unix:" in front chooses the network and "tcp" goes
/// without saying; what is wrong comes with how it is written.
std::expected<endpoint, std::string> parse_endpoint(std::string_view written);

/// An address the kernel takes. Go: net.TCPAddr, net.UnixAddr.
struct address {
    union {
        sockaddr_storage storage{}; ///< all zero, until one of the others is filled in
        sockaddr any;     ///< what system calls take; its family tells which of these it is
        sockaddr_in in;   ///< AF_INET; the port in network order
        sockaddr_in6 in6; ///< AF_INET6; the same
        sockaddr_un un;   ///< AF_UNIX; an abstract name begins with a zero byte
    };
    socklen_t length = sizeof(sockaddr_storage); ///< bytes that count; for accept4, bytes there are
    bool ipv6_only = false;                      ///< IPV6_V6ONLY for a socket of this address

    /// AF_INET, AF_INET6 or AF_UNIX; AF_UNSPEC while it is nobody's.
    [[nodiscard]] int family() const noexcept { return any.sa_family; }
    /// "127.0.0.1:80", "[::1]:80", "/run/echo.sock", "@abstract". Go: TCPAddr.String,
    /// UnixAddr.String; an IPv4 client of a dual-stack socket reads as IPv4. \see printable
    [[nodiscard]] std::string to_string() const;
};

/// What an address is looked up for: a listener binds to one, a client may try them all.
enum class purpose { listen, dial };

/// Looks names up and chooses the family. Go: Resolver.internetAddrList, favoriteAddrFamily.
/// For listening the answer is one address, IPv4 if there is one; the wildcard of "tcp" is `[::]`
/// for both families where the system maps IPv4 into IPv6. May block on DNS; thread-safe.
/// \return at least one address, or why not: "lookup nosuch: no such host"
std::expected<std::vector<address>, std::string> resolve(const endpoint& where, purpose why);

} // namespace stage1
