#pragma once
/// \file
/// The two addresses of a connection. Errors name them, also after a reset or a close, when the
/// kernel no longer knows them. Go: netFD.laddr, raddr.

#include "address.hpp"

#include <memory>
#include <utility>

namespace stage5 {

/// Immutable. Holds two IPv4 addresses inside, and allocates memory for all others.
class address_pair {
public:
    /// May throw std::bad_alloc, unless both addresses are IPv4.
    address_pair(const address& local, const address& remote) {
        if (local.family() == AF_INET && remote.family() == AF_INET) {
            local_ = {local.in.sin_addr, local.in.sin_port};
            remote_ = {remote.in.sin_addr, remote.in.sin_port};
        } else {
            others_ = std::make_unique<std::pair<address, address>>(local, remote);
        }
    }
    /// Our own address, from getsockname. Go: netFD.laddr
    [[nodiscard]] address local() const { return others_ ? others_->first : local_.full(); }
    /// The address of the other end; AF_UNSPEC if there is none. Go: netFD.raddr
    [[nodiscard]] address remote() const { return others_ ? others_->second : remote_.full(); }

private:
    struct ipv4 {
        in_addr host;
        in_port_t port;
        [[nodiscard]] address full() const {
            address made;
            made.in = {.sin_family = AF_INET, .sin_port = port, .sin_addr = host, .sin_zero = {}};
            made.length = sizeof made.in;
            return made;
        }
    };
    ipv4 local_{};
    ipv4 remote_{};
    std::unique_ptr<const std::pair<address, address>> others_;
};

} // namespace stage5
