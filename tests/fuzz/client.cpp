/// \file
/// The client's calls, and the bytes that it still has to get.

#include "fuzz/client.hpp"

#include "fuzz/fuzz.hpp"
#include "fuzz/kernel.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace fuzz {
namespace {

constexpr std::size_t most_bytes = 5 << 16; ///< that a client sends in all: more than every buffer
/// Fewer where the server writes a few KiB at a time and so needs many turns.
constexpr std::size_t most_bytes_small = 3 << 15;
/// And through TCP before it has got them back. Beyond, the kernel makes itself a pause now and
/// then until it sends again, and real time passes.
constexpr std::size_t most_under_way = 1 << 16;

void set_option(int fd, int level, int name, int value) {
    ::setsockopt(fd, level, name, &value, sizeof value);
}

/// Bytes without a pattern, in lines of one byte or of some thousands: of more than bufio holds.
/// Each client begins somewhere else, so that another one's bytes show.
const char* stream_of(std::size_t number) {
    static const auto bytes = [] {
        std::vector<char> made(most_bytes + (1 << 16));
        std::uint32_t state = 1;
        const auto random = [&] { return (state = state * 1664525U + 1013904223U) >> 16U; };
        std::uint32_t left = 0; // of the line
        for (char& each : made) {
            each = static_cast<char>(random());
            if (left-- == 0) {
                each = '\n';
                left = random() % (2U << random() % 13);
            } else if (each == '\n') {
                each = ' ';
            }
        }
        return made;
    }();
    return bytes.data() + number * 4099;
}

/// Ports of closed connections are kept for a minute; there are many addresses.
void bind_somewhere(int fd) {
    static std::uint32_t counter = 0;
    counter = (counter + 1) % 0xfffff0;
    set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    sockaddr_in from{};
    from.sin_family = AF_INET;
    from.sin_addr.s_addr = htonl(0x7f000000U + counter + 1);
    must(::bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from) == 0, "no address");
}

} // namespace

client::client(std::size_t number, const sockaddr* to, socklen_t length, const situation& all)
    : fd_(::socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0)), stream_(stream_of(number)),
      all_(all) {
    must(fd_ >= 0, "no socket");
    if (all.tcp) {
        bind_somewhere(fd_);
        set_option(fd_, IPPROTO_TCP, TCP_NODELAY, 1);
        set_option(fd_, SOL_SOCKET, SO_RCVBUF, 1 << 20);
    }
    while (::connect(fd_, to, length) < 0) // libFuzzer's clock interrupts it now and then
        must(errno == EINTR, "no connection");
}

void client::send(std::size_t size) {
    if (!is_here() || shut_) return;
    size = std::min(size, (all_.small ? most_bytes_small : most_bytes) - sent_);
    if (all_.tcp) size = std::min(size, most_under_way - std::min(most_under_way, sent_ - got_));
    const auto n = kernel::send(fd_, stream_ + sent_, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) sent_ += static_cast<std::size_t>(n);
}

bool client::receive(std::size_t most) {
    static std::array<char, 1 << 17> buffer;
    if (!is_here() || ended_) return false;
    const auto n = kernel::recv(fd_, buffer.data(), std::min(most, buffer.size()), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return false;
    const int error = errno;
    if (all_.tcp) set_option(fd_, IPPROTO_TCP, TCP_QUICKACK, 1); // now, not in 40 ms
    if (n <= 0) {
        ended(n < 0 ? error : 0);
        return true;
    }
    const auto size = static_cast<std::size_t>(n);
    must(got_ + size <= sent_, "more bytes came back than were sent");
    must(std::memcmp(buffer.data(), stream_ + got_, size) == 0, "other bytes came back");
    got_ += size;
    return true;
}

/// Checks what a server promises: a client that ends its stream gets everything back, and after a
/// stop each client gets everything that the server has read from it.
void client::ended(int error) {
    ended_ = true;
    if (server.excused || all_.late) return;
    if (all_.stopped) return must(got_ == server.taken, "what was read did not come back");
    must(error == 0, "a reset for a client that did nothing wrong");
    must(shut_, "the server ended a stream that its client had not ended");
    must(got_ == sent_, "not all of it came back");
}

void client::time_has_passed(std::int64_t now, std::int64_t idle, std::int64_t write) {
    if (!server.accepted) return;
    if (server.taken == got_) server.paid = now;
    if (idle != 0 && now - server.heard >= idle) server.excused = true;
    if (write != 0 && now - server.paid >= write) server.excused = true;
}

bool client::shut_down() {
    if (!is_here() || shut_) return false;
    kernel::shutdown(fd_, SHUT_WR);
    shut_ = true;
    return true;
}

void client::reset() {
    if (!is_here()) return;
    const linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    leave();
}

void client::leave() {
    if (is_here()) kernel::close(fd_);
    fd_ = -1;
}

bool client::waits() const {
    if (!is_here() || ended_ || !server.accepted || server.excused || all_.late) return false;
    if (all_.stopped) return true; // for the end, which comes without its help
    std::size_t due = sent_;
    if (all_.lines && !shut_)
        while (due > 0 && stream_[due - 1] != '\n') --due;
    return shut_ || got_ < due;
}

bool client::is_over() const {
    if (server.fd >= 0) return false;
    const bool never_comes = all_.stopped && !server.accepted; // it stays in the backlog
    return !is_here() || ended_ || never_comes;
}

} // namespace fuzz
