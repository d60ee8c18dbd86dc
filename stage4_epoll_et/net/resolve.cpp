/// \file
/// Parses and looks up addresses. For a listener without a host, resolve() chooses the address
/// family as Go's favoriteAddrFamily does:
///
///     network  address  serves
///     tcp      [::]     IPv6 and IPv4, if the system can serve both on one socket
///              0.0.0.0  IPv4, otherwise
///     tcp4     0.0.0.0  IPv4
///     tcp6     [::]     IPv6

#include "resolve.hpp"

#include "../syscall/syscall_error.hpp"
#include "../syscall/unique_fd.hpp"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <net/if.h>
#include <netdb.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <system_error>

namespace stage4 {
namespace {

using addrinfo_list = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

/// True if `host` may be looked up as a name. Without this check getaddrinfo would accept "127.1",
/// "0x7f.1" and "127.0.0.010" as IPv4 addresses, which Go does not. Go: isDomainName.
bool is_domain_name(const std::string& host) {
    in_addr ignored{};
    return host.find_first_of(":% ") == std::string::npos &&
           host.find_first_not_of("0123456789.") != std::string::npos &&
           ::inet_aton(host.c_str(), &ignored) == 0;
}

/// Looks a name up with getaddrinfo(3).
/// \return the addresses, in a pointer that frees them; or getaddrinfo's error number, EAI_...
std::expected<addrinfo_list, int> look_up(const std::string& host, int family) {
    if (!is_domain_name(host)) return std::unexpected(EAI_NONAME);
    addrinfo hints{};
    hints.ai_family = family;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
    if (error != 0) return std::unexpected(error);
    return addrinfo_list(list, &::freeaddrinfo);
}

address to_address(const sockaddr* other, socklen_t length) {
    address made;
    std::memcpy(&made.storage, other, length);
    made.length = length;
    return made;
}

/// Returns the address that stands for every interface. All its bytes are zero except the family
/// and the port, which have the same offsets in sockaddr_in and sockaddr_in6.
address wildcard(sa_family_t family, std::uint16_t port) {
    address all;
    all.in.sin_family = family;
    all.in.sin_port = htons(port);
    all.length = family == AF_INET ? sizeof all.in : sizeof all.in6;
    return all;
}

bool is_wildcard(const address& a) {
    const auto all = wildcard(a.any.sa_family, ntohs(a.in.sin_port));
    return std::memcmp(&a.storage, &all.storage, all.length) == 0;
}

/// True if one IPv6 socket can serve IPv4 as well. Finds out once, by binding a socket to an IPv4
/// address mapped into IPv6. Go: ipStackCapabilities.probe, which does the same.
bool supports_ipv4_mapped() {
    static const bool supported = [] {
        const unique_fd probe{::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        const int off = 0;
        ::setsockopt(probe.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
        auto mapped = wildcard(AF_INET6, 0);
        ::inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.in6.sin6_addr);
        return probe && ::bind(probe.get(), &mapped.any, mapped.length) == 0;
    }();
    return supported;
}

/// Finds the number of a port. `text` is a decimal number, which may have a sign, or a name from
/// /etc/services in upper or lower case; an empty text means 0. Does not use getaddrinfo, which
/// accepts " 80" as a number and reads 99999 modulo 65536.
/// Go: Resolver.LookupPort, parsePort, lookupPortMap.
std::expected<std::uint16_t, std::string> look_up_port(std::string_view text) {
    const bool is_negative = text.starts_with('-');
    const auto digits = text.substr(is_negative || text.starts_with('+') ? 1 : 0);
    if (digits.find_first_not_of("0123456789") == std::string_view::npos) {
        std::uint16_t port = 0;
        const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), port);
        const bool fits = parsed.ec != std::errc::result_out_of_range;
        if (fits && (port == 0 || !is_negative)) return port;
        return std::unexpected(fmt::format("address {}: invalid port", printable(text)));
    }
    std::string name(text);
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    servent entry{};
    servent* found = nullptr;
    std::array<char, 1024> strings{}; // getservbyname_r stores entry's names here
    ::getservbyname_r(name.c_str(), "tcp", &entry, strings.data(), strings.size(), &found);
    if (found == nullptr)
        return std::unexpected(fmt::format("lookup tcp/{}: unknown port", printable(text)));
    return ntohs(static_cast<std::uint16_t>(entry.s_port));
}

/// Returns the index of an interface, given its name or the index itself in decimal; 0 for any
/// other text. Go: ipv6ZoneCache.index.
std::uint32_t zone_index(const std::string& zone) {
    auto index = ::if_nametoindex(zone.c_str());
    if (index == 0) std::from_chars(zone.data(), zone.data() + zone.size(), index);
    return index;
}

/// Parses an IP address: "127.0.0.1", "::1", "fe80::1%eth0". Like Go, inet_pton accepts neither
/// leading zeros nor shorter forms such as "127.1". Go: netip.ParseAddr.
std::optional<address> parse_ip(const std::string& host, std::uint16_t port) {
    auto v4 = wildcard(AF_INET, port);
    if (::inet_pton(AF_INET, host.c_str(), &v4.in.sin_addr) == 1) return v4;
    auto v6 = wildcard(AF_INET6, port);
    const auto percent = host.find('%');
    if (::inet_pton(AF_INET6, host.substr(0, percent).c_str(), &v6.in6.sin6_addr) != 1) return {};
    if (percent != std::string::npos) v6.in6.sin6_scope_id = zone_index(host.substr(percent + 1));
    return v6;
}

std::expected<std::vector<address>, std::string> look_up_host(const endpoint& where) {
    const int family = where.network == "tcp4"   ? AF_INET
                       : where.network == "tcp6" ? AF_INET6
                                                 : AF_UNSPEC;
    const auto ip = parse_ip(where.host, where.port);
    if (ip && (family == AF_UNSPEC || family == ip->family())) return std::vector{*ip};
    const auto list = look_up(where.host, family);
    if (!list) {
        const int error = list.error();
        if (ip || error == EAI_ADDRFAMILY)
            return std::unexpected(
                fmt::format("address {}: no suitable address", printable(where.host)));
        const bool unknown = error == EAI_NONAME || error == EAI_NODATA;
        return std::unexpected(
            fmt::format("lookup {}: {}", printable(where.host),
                        unknown ? "no such host" : lower_first(::gai_strerror(error))));
    }
    std::vector<address> found;
    for (const addrinfo* entry = list->get(); entry != nullptr; entry = entry->ai_next) {
        found.push_back(to_address(entry->ai_addr, entry->ai_addrlen));
        found.back().in.sin_port = htons(where.port);
    }
    return found;
}

std::expected<std::vector<address>, std::string> unix_address(const std::string& path) {
    address made;
    made.un.sun_family = AF_UNIX;
    const bool is_abstract = path.starts_with('@');
    // A path needs a NUL at its end. An abstract name does not, so it may fill the whole array.
    const std::size_t size = path.size() + (is_abstract ? 0 : 1);
    if (size > sizeof made.un.sun_path)
        return std::unexpected(fmt::format("address {}: longer than 107 bytes", printable(path)));
    std::ranges::copy(path, made.un.sun_path);
    if (is_abstract) made.un.sun_path[0] = '\0';
    made.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
    return std::vector{made};
}

} // namespace

std::expected<endpoint, std::string> parse_endpoint(std::string_view network,
                                                    std::string_view text) {
    const auto wrong = [&](std::string_view why) {
        return std::unexpected(fmt::format("address {}: {}", printable(text), why));
    };
    if (network == "unix") {
        if (text.empty()) return wrong("missing path");
        return endpoint{"unix", std::string(text), 0};
    }
    if (network != "tcp" && network != "tcp4" && network != "tcp6")
        return std::unexpected(fmt::format("unknown network {}", network));

    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return wrong("missing port in address");
    auto host = text.substr(0, colon);
    if (host.starts_with('[')) {
        const auto bracket = text.find(']');
        if (bracket == std::string_view::npos) return wrong("missing ']' in address");
        if (bracket + 1 != colon) return wrong("missing port in address");
        host = host.substr(1, bracket - 1);
    } else if (host.contains(':')) {
        return wrong("too many colons in address");
    }
    if (host.find_first_of("[]") != std::string_view::npos) return wrong("unexpected '[' or ']'");

    const auto port = look_up_port(text.substr(colon + 1));
    if (!port) return std::unexpected(port.error());
    return endpoint{std::string(network), std::string(host), *port};
}

std::expected<endpoint, std::string> parse_endpoint(std::string_view written) {
    constexpr std::string_view unix_prefix = "unix:";
    auto where = written.starts_with(unix_prefix)
                     ? parse_endpoint("unix", written.substr(unix_prefix.size()))
                     : parse_endpoint("tcp", written);
    if (where) return where;
    return std::unexpected(
        fmt::format("{}; write host:port, :port, [ipv6]:port or unix:path", where.error()));
}

std::expected<std::vector<address>, std::string> resolve(const endpoint& where, purpose why) {
    if (where.network == "unix") return unix_address(where.host);
    const bool is_ipv6 = where.network == "tcp6";
    const bool dual = where.network == "tcp" && why == purpose::listen && supports_ipv4_mapped();
    const auto all = wildcard(dual || is_ipv6 ? AF_INET6 : AF_INET, where.port);

    auto found = where.host.empty() ? std::vector{all} : look_up_host(where);
    if (!found || why == purpose::dial) return found;
    auto chosen = std::ranges::find(*found, AF_INET, &address::family);
    if (chosen == found->end()) chosen = found->begin();
    // "0.0.0.0" also means every interface, and Go serves both families for it.
    auto one = dual && is_wildcard(*chosen) ? all : *chosen;
    one.ipv6_only = is_ipv6;
    return std::vector{one};
}

} // namespace stage4
