/// \file
/// The floor: what an echo costs where there is nothing but epoll. No state per connection, no
/// buffers but one, no deadlines, no way to stop. Not a server to use: a client that does not read
/// holds up all others. What a real server costs on top of this is what its features cost.

#include "peers/peer.hpp"

#include <poll.h>
#include <sys/epoll.h>

#include <array>

namespace {

using harness::check;
using harness::unique_fd;

thread_local std::array<char, 65536> buffer;

/// \return whether all of it was sent
bool send_all(int fd, std::size_t size) {
    for (std::size_t sent = 0; sent < size;) {
        const auto count = ::send(fd, buffer.data() + sent, size - sent, MSG_NOSIGNAL);
        if (count >= 0) {
            sent += static_cast<std::size_t>(count);
            continue;
        }
        if (errno != EAGAIN) return false;
        pollfd writable{fd, POLLOUT, 0};
        ::poll(&writable, 1, -1);
    }
    return true;
}

void echo(int fd, std::size_t most) {
    const auto count = ::recv(fd, buffer.data(), most, 0);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0 || !send_all(fd, static_cast<std::size_t>(count))) ::close(fd);
}

void accept_one(int epoll, int listener) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    epoll_event readable{};
    readable.events = EPOLLIN;
    readable.data.fd = fd;
    if (fd >= 0 && ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &readable) != 0) ::close(fd);
}

[[noreturn]] void serve(const unique_fd& listener, std::size_t most) {
    const unique_fd epoll(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
    epoll_event readable{};
    readable.events = EPOLLIN;
    readable.data.fd = listener.get();
    check(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, listener.get(), &readable), "epoll_ctl");
    std::array<epoll_event, 512> events{};
    while (true) {
        const int count = ::epoll_wait(epoll.get(), events.data(), events.size(), -1);
        for (int i = 0; i < count; ++i) {
            const int fd = events.at(static_cast<std::size_t>(i)).data.fd;
            if (fd == listener.get())
                accept_one(epoll.get(), fd);
            else
                echo(fd, most);
        }
    }
}

} // namespace

int main(int argc, char** argv) {
    return peer::run(argc, argv, "echo: the least that epoll takes", [](peer::options& read) {
        const std::size_t most = std::min(read.buffer, buffer.size());
        peer::run_threads(read, [most](const unique_fd& listener) { serve(listener, most); });
    });
}
