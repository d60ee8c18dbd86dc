#pragma once
/// \file
/// From names to addresses. `net.Listen` and `net.Dial` take a text such as "localhost:http"; the
/// kernel takes a sockaddr. Two functions lead from the text to the sockaddr:
///
///     function          what it does                              Go
///     parse_endpoint()  splits the text, finds the port's number  net.SplitHostPort
///     resolve()         finds the host's addresses                Resolver.internetAddrList
///
/// Mirrors `resolveAddrList` in the Listen sections of "Tcp服务端源码" and of the notes on Go's net
/// package. No function here leaves a socket open.

#include "../syscall/address.hpp"

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace stage5 {

/// An address as the user wrote it, split into its parts. The host has not been looked up yet.
struct endpoint {
    std::string network;    ///< "tcp", "tcp4", "tcp6" or "unix", as in Go
    std::string host;       ///< a name, an IP address or a Unix path; empty: every interface
    std::uint16_t port = 0; ///< 0: the kernel chooses
};

/// Splits `text`, an address of `network`, and finds the number of its port.
/// Go: net.SplitHostPort and Resolver.LookupPort.
/// \return the parts; or an error in Go's words: "address 8080: missing port in address"
std::expected<endpoint, std::string> parse_endpoint(std::string_view network,
                                                    std::string_view text);

/// Splits an address from the command line. Its network is "unix" if it begins with "unix:",
/// otherwise "tcp".
/// \return the parts; or an error that also lists the forms which are allowed
std::expected<endpoint, std::string> parse_endpoint(std::string_view written);

/// What addresses are looked up for: a listener binds to one, a client may try all of them.
enum class purpose { listen, dial };

/// Looks the host up and chooses the address family. For purpose::dial the result is every address
/// that was found, for purpose::listen one of them: IPv4 if there is one. To listen on every
/// interface, "tcp" uses `[::]`, which serves IPv4 as well if the system can do that. May block
/// while a name server answers. Thread-safe. Go: Resolver.internetAddrList, favoriteAddrFamily.
/// \return at least one address; or an error: "lookup nosuch: no such host"
std::expected<std::vector<address>, std::string> resolve(const endpoint& where, purpose why);

} // namespace stage5
