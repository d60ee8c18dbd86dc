#pragma once
/// \file
/// The two addresses of a connection, kept because the kernel forgets them when it is reset or
/// closed, and that is when an error wants to name them. Go: netFD.laddr, raddr.

#include "address.hpp"

#include <memory>
#include <utility>

namespace stage5 {

/// Immutable. IPv4's addresses have room inside, so that most connections need nothing more.
class names {
public:
    /// Needs memory, and may throw std::bad_alloc, unless both are IPv4's.
    names(const address& local, const address& remote) {
        if (local.family() == AF_INET && remote.family() == AF_INET) {
            local_ = {local.in.sin_addr, local.in.sin_port};
            remote_ = {remote.in.sin_addr, remote.in.sin_port};
        } else {
            others_ = std::make_unique<std::pair<address, address>>(local, remote);
        }
    }
    /// Our end, as getsockname told it. Go: netFD.laddr
    [[nodiscard]] address local() const { return others_ ? others_->first : local_.full(); }
    /// The other end; AF_UNSPEC if there is none. Go: netFD.raddr
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
