/// \file
/// How an address is shown.

#include "address.hpp"

#include <fmt/format.h>
#include <net/if.h>
#include <netdb.h>

#include <array>
#include <cstddef>
#include <cstring>

namespace stage5 {
namespace {

/// Returns the name of an interface, or its index in decimal if it has no name.
/// Go: ipv6ZoneCache.name.
std::string zone_name(std::uint32_t index) {
    std::array<char, IF_NAMESIZE> name{};
    if (::if_indextoname(index, name.data()) == nullptr) return std::to_string(index);
    return name.data();
}

} // namespace

std::string address::to_string() const {
    if (family() == AF_UNIX) {
        const auto used = length - offsetof(sockaddr_un, sun_path);
        if (used == 0) return "@"; // a client that has not bound its socket; Go prints the same
        if (un.sun_path[0] == '\0')
            return printable(fmt::format("@{}", std::string_view(un.sun_path + 1, used - 1)));
        return printable({un.sun_path, ::strnlen(un.sun_path, used)});
    }
    std::array<char, NI_MAXHOST> host{};
    std::array<char, NI_MAXSERV> port{};
    ::getnameinfo(&any, length, host.data(), host.size(), port.data(), port.size(),
                  NI_NUMERICHOST | NI_NUMERICSERV);
    std::string shown = host.data();
    constexpr std::string_view mapped = "::ffff:";
    if (shown.starts_with(mapped) && shown.contains('.')) shown.erase(0, mapped.size());
    // getnameinfo gives the interface's name only for a link-local address, otherwise its index.
    if (const auto percent = shown.find('%'); percent != std::string::npos)
        shown.replace(percent + 1, std::string::npos, zone_name(in6.sin6_scope_id));
    if (shown.contains(':')) return fmt::format("[{}]:{}", shown, port.data());
    return fmt::format("{}:{}", shown, port.data());
}

std::string printable(std::string_view name) {
    auto quoted = fmt::format("{:?}", name);
    const bool is_plain = quoted.size() == name.size() + 2; // only the quotes were added
    return is_plain ? std::string(name) : quoted;
}

} // namespace stage5
