/// \file
/// Sockets of the load. One registration a connection, edge-triggered for both directions, and no
/// call that can be spared: what this side takes per echo must be less than what any server does.

#include "load/clients.hpp"

#include "harness/pattern.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <ctime>

namespace bench {
namespace {

using harness::check;
using harness::endpoint;
using harness::failure;
using harness::unique_fd;

/// The n-th connection's own address, 127.0.0.2 and up, in turn: one has 28,000 ports for a server,
/// and finding a free one takes long where many are. Only IPv4 has so many addresses.
void bind_source(int fd, std::uint64_t number) {
    constexpr std::uint64_t sources = 250;
    sockaddr_in from{};
    from.sin_family = AF_INET;
    const auto source = static_cast<std::uint32_t>(number % sources);
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + source);
    const int on = 1; // the port is chosen by connect, which knows what is taken for this server
    check(::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on), "setsockopt");
    check(::bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from), "bind");
}

unique_fd start_connect(const endpoint& to, std::uint64_t number) {
    constexpr int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    unique_fd fd(check(::socket(to.family(), type, 0), "socket"));
    const int on = 1;
    if (to.family() != AF_UNIX)
        check(::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt");
    if (to.family() == AF_INET) bind_source(fd.get(), number);
    if (::connect(fd.get(), to.get(), to.length) != 0 && errno != EINPROGRESS) check(-1, "connect");
    return fd;
}

bool is_of_this_machine(const endpoint& to) {
    sockaddr_in v4{};
    switch (to.family()) {
    case AF_INET:
        std::memcpy(&v4, &to.storage, sizeof v4);
        return ntohl(v4.sin_addr.s_addr) >> 24U == IN_LOOPBACKNET;
    case AF_INET6:
        return to == harness::loopback6(to.port());
    default:
        return true;
    }
}

/// Calls epoll_wait with a limit in nanoseconds. Before Linux 5.11 it waits up to a millisecond
/// less, and a caller that waits for a point in time then calls it a few more times.
int wait_for_events(int epoll, std::span<epoll_event> events, nanotime limit) {
    const nanotime left = std::max<nanotime>(0, limit - now());
    const auto most = static_cast<int>(events.size());
    static bool has_pwait2 = true;
    if (left > 0 && has_pwait2) {
        const timespec time{left / 1'000'000'000, left % 1'000'000'000};
        const auto count = ::syscall(SYS_epoll_pwait2, epoll, events.data(), most, &time, nullptr,
                                     0);
        if (count >= 0 || errno != ENOSYS) return static_cast<int>(count);
        has_pwait2 = false;
    }
    return ::epoll_wait(epoll, events.data(), most, static_cast<int>(left / 1'000'000));
}

} // namespace

nanotime now() noexcept {
    return harness::steady::now().time_since_epoch().count();
}

clients::clients(endpoint to, std::size_t piece)
    : to_(to), piece_(std::min(piece, longest)),
      epoll_(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")), stream_(period + longest) {
    if (!is_of_this_machine(to)) throw failure("only servers of this machine are ever loaded");
    const std::span<char> once(stream_.data(), period);
    harness::pattern(1).fill(once, 0);
    for (std::size_t i = period; i < stream_.size(); ++i) stream_[i] = stream_[i - period];
}

connection& clients::open() {
    connection& one = all.emplace_back();
    open_again(one);
    return one;
}

void clients::open_again(connection& one) {
    one = connection{};
    one.first = opened_ * 977 % period; // so that one connection's bytes are wrong on another
    one.fd = start_connect(to_, opened_++);
    epoll_event interest{};
    interest.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    interest.data.ptr = &one;
    check(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, one.fd.get(), &interest), "epoll_ctl");
}

void clients::turn(nanotime limit, const std::function<void(connection&)>& ready) {
    const int count = wait_for_events(epoll_.get(), events_, limit);
    if (count < 0 && errno != EINTR) check(count, "epoll_wait");
    for (int i = 0; i < count; ++i)
        ready(*static_cast<connection*>(events_.at(static_cast<std::size_t>(i)).data.ptr));
}

const char* clients::bytes_at(const connection& one, std::uint64_t position) const {
    return &stream_[(one.first + position) % period];
}

void clients::push(connection& one) const {
    while (one.sent < one.goal) {
        const std::size_t size = std::min<std::uint64_t>(piece_, one.goal - one.sent);
        const auto count = ::send(one.fd.get(), bytes_at(one, one.sent), size,
                                  MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0) {
            if (errno == EAGAIN || errno == ENOTCONN || errno == EINTR) return;
            throw ended(
                fmt::format("the server ended a connection: send: {}", std::strerror(errno)));
        }
        one.sent += static_cast<std::uint64_t>(count);
    }
}

void clients::pull(connection& one) {
    while (one.got < one.sent || one.sent == one.goal) {
        const auto count = ::recv(one.fd.get(), buffer_.data(), buffer_.size(), 0);
        if (count < 0) {
            if (errno == EAGAIN || errno == EINTR) return;
            throw ended(
                fmt::format("the server ended a connection: recv: {}", std::strerror(errno)));
        }
        if (count == 0) throw ended("the server closed a connection");
        const auto size = static_cast<std::size_t>(count);
        compare(one, size);
        one.got += size;
        // Less than there was room for: the socket is empty, and more would be a new edge.
        if (size < buffer_.size() || one.got == one.sent) return;
    }
}

/// All of a short piece; of a long one its ends, which is where cutting and joining go wrong.
void clients::compare(const connection& one, std::size_t count) const {
    constexpr std::size_t in_full = 4096, ends = 256;
    if (one.got + count > one.sent) throw failure("more bytes came back than were sent");
    const char* const wanted = bytes_at(one, one.got);
    const auto same = [&](std::size_t from, std::size_t size) {
        return std::memcmp(buffer_.data() + from, wanted + from, size) == 0;
    };
    const bool right = count <= in_full ? same(0, count)
                                        : same(0, ends) && same(count - ends, ends);
    if (!right) throw failure(fmt::format("wrong bytes came back, about byte {}", one.got));
}

} // namespace bench
