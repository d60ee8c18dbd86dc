/// \file
/// Addresses read and dialled.

#include "harness/endpoint.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/un.h>

#include <fmt/format.h>

#include <charconv>
#include <cstddef>
#include <cstring>
#include <random>

namespace harness {
namespace {

template <typename Address>
endpoint from(const Address& address, std::size_t length = sizeof(Address)) {
    endpoint to;
    std::memcpy(&to.storage, &address, length);
    to.length = static_cast<socklen_t>(length);
    return to;
}

endpoint unix_endpoint(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) throw failure("Unix path too long: " + path);
    path.copy(address.sun_path, path.size());
    std::size_t length = offsetof(sockaddr_un, sun_path) + path.size();
    if (address.sun_path[0] == '@')
        address.sun_path[0] = '\0'; // an abstract name is all of its bytes, without an end
    else
        ++length;
    return from(address, length);
}

} // namespace

std::uint16_t endpoint::port() const {
    sockaddr_in v4{};
    sockaddr_in6 v6{};
    switch (family()) {
    case AF_INET:
        std::memcpy(&v4, &storage, sizeof v4);
        return ntohs(v4.sin_port);
    case AF_INET6:
        std::memcpy(&v6, &storage, sizeof v6);
        return ntohs(v6.sin6_port);
    default:
        return 0;
    }
}

bool endpoint::operator==(const endpoint& other) const {
    return length == other.length && std::memcmp(&storage, &other.storage, length) == 0;
}

endpoint parse_endpoint(const std::string& text) {
    if (text.starts_with("unix:")) return unix_endpoint(text.substr(5));
    const auto colon = text.rfind(':');
    if (colon == std::string::npos) throw failure("an address without a port: " + text);
    std::string host = text.substr(0, colon);
    std::uint16_t port = 0;
    const char* end = text.data() + text.size();
    const auto [rest, wrong] = std::from_chars(text.data() + colon + 1, end, port);
    const bool v6 = host.starts_with('[') && host.ends_with(']');
    if (v6) host = host.substr(1, host.size() - 2);
    endpoint to = v6 ? loopback6(port) : loopback4(port);
    auto* const v4_bytes = reinterpret_cast<char*>(&to.storage) + offsetof(sockaddr_in, sin_addr);
    auto* const v6_bytes = reinterpret_cast<char*>(&to.storage) + offsetof(sockaddr_in6, sin6_addr);
    if (wrong != std::errc{} || rest != end ||
        ::inet_pton(to.family(), host.c_str(), v6 ? v6_bytes : v4_bytes) != 1)
        throw failure("not an address: " + text);
    return to;
}

endpoint loopback4(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return from(address);
}

endpoint loopback6(std::uint16_t port) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    address.sin6_addr = in6addr_loopback;
    return from(address);
}

std::uint16_t free_port() {
    std::random_device random;
    std::uniform_int_distribution<unsigned> ports(10'000, 32'000);
    while (true) {
        const auto port = static_cast<std::uint16_t>(ports(random));
        const unique_fd probe(check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
        const endpoint to = loopback4(port);
        if (::bind(probe.get(), to.get(), to.length) == 0) return port;
    }
}

unique_fd start_connect(const endpoint& to, int receive_buffer) {
    constexpr int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    unique_fd fd(check(::socket(to.family(), type, 0), "socket"));
    if (receive_buffer > 0) // before connecting: it decides the window that we offer
        check(::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer),
              "setsockopt");
    if (::connect(fd.get(), to.get(), to.length) != 0 && errno != EINPROGRESS) check(-1, "connect");
    return fd;
}

unique_fd dial(const endpoint& to, milliseconds limit, int receive_buffer) {
    const deadline end(limit);
    unique_fd fd;
    // A Unix socket's full backlog is EAGAIN, and there is nothing to wait on but time.
    const auto started = [&] {
        try {
            fd = start_connect(to, receive_buffer);
            return true;
        } catch (const std::system_error& error) {
            if (error.code() != std::errc::resource_unavailable_try_again) throw;
            return false;
        }
    };
    const bool waiting = wait_for(started, limit);
    pollfd writable{fd.get(), POLLOUT, 0};
    if (!waiting || ::poll(&writable, 1, end.left_ms()) <= 0)
        throw std::system_error(ETIMEDOUT, std::generic_category(), "connect");
    int error = 0;
    socklen_t size = sizeof error;
    check(::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size), "getsockopt");
    if (error != 0) throw std::system_error(error, std::generic_category(), "connect");
    return fd;
}

bool refuses(const endpoint& to) {
    try {
        dial(to);
        return false;
    } catch (const std::system_error& error) {
        return error.code() == std::errc::connection_refused ||
               error.code() == std::errc::no_such_file_or_directory;
    }
}

} // namespace harness
