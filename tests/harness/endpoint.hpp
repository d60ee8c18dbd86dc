#pragma once
/// \file
/// Where a server listens, as it prints it, and how to get a connection to it. The harness has
/// its own reading of addresses on purpose: it must not share a mistake with the servers.

#include "harness/limits.hpp"
#include "harness/unique_fd.hpp"

#include <sys/socket.h>

#include <cstdint>
#include <string>

namespace harness {

/// A socket address, numbers only.
struct endpoint {
    sockaddr_storage storage{};
    socklen_t length = 0;

    [[nodiscard]] int family() const { return storage.ss_family; }
    [[nodiscard]] std::uint16_t port() const; ///< 0 for a Unix socket
    [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
    [[nodiscard]] const sockaddr* get() const {
        return reinterpret_cast<const sockaddr*>(&storage);
    }
    bool operator==(const endpoint& other) const;
};

/// Reads "127.0.0.1:80", "[::1]:80", "unix:/path" or "unix:@abstract".
/// \throws failure if it is none of them
endpoint parse_endpoint(const std::string& text);

/// This machine's own address of the family, on `port`.
endpoint loopback4(std::uint16_t port);
endpoint loopback6(std::uint16_t port);

/// A port that nobody has at the moment, below those that the kernel hands out by itself.
std::uint16_t free_port();

/// Starts to connect; the socket does not block. `receive_buffer` is SO_RCVBUF in bytes, 0 for
/// the kernel's own choice.
unique_fd start_connect(const endpoint& to, int receive_buffer = 0);

/// Connects. \throws std::system_error with ECONNREFUSED and the like, ETIMEDOUT at the limit
unique_fd dial(const endpoint& to, milliseconds limit = must_happen, int receive_buffer = 0);

/// True if nobody listens there.
bool refuses(const endpoint& to);

} // namespace harness
