/// \file
/// The system calls of the server that is in this process: the current conversation says
/// what becomes of them. The linker takes these functions instead of the C library's.
///
/// They lie as the kernel would tell the truth: an EAGAIN that was made up, and a read that was
/// made short, are followed by another readiness event; an error that ends a connection is reported
/// once, reading finds the end then and writing EPIPE, and the client gets a reset; want of memory
/// passes.

#include "fuzz/kernel.hpp"
#include "fuzz/conversation.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

using fuzz::conversation;
namespace kernel = fuzz::kernel;

namespace {

enum class direction : std::uint8_t { read, write };

/// Another edge, if there is anything.
void announce_again(int fd, fuzz::served& end) {
    if ((end.watched.events & EPOLLET) != 0)
        kernel::epoll_ctl(end.epoll, EPOLL_CTL_MOD, fd, &end.watched);
}

/// \return -1
ssize_t fail(int fd, fuzz::served& end, int error) {
    if (error == EAGAIN) {
        announce_again(fd, end);
    } else if (error != EINTR) {
        end.excused = true;
        end.dead = error != ENOBUFS && error != ENOMEM;
        const linger at_once{1, 0};
        ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    errno = error;
    return -1;
}

/// A call on a connection. \param real does it, for so many bytes
template <typename Real>
ssize_t call(int fd, direction which, std::size_t size, const Real& real) {
    auto* const end = conversation::current != nullptr ? conversation::current->find(fd) : nullptr;
    if (end == nullptr || size == 0) return real(size);
    const auto met = std::exchange(end->next[static_cast<std::size_t>(which)], {});
    ssize_t n = 0;
    if (end->dead && which == direction::write)
        n = fail(fd, *end, EPIPE);
    else if (met.error != 0 && !end->dead)
        n = fail(fd, *end, met.error);
    else if (!end->dead)
        n = real(std::min(size, met.most));
    const int error = errno;
    if (which == direction::read && met.most < size) announce_again(fd, *end);
    if (which == direction::read && n > 0) {
        // A byte extends the idle time, but where whole lines are awaited.
        if (!conversation::current->how().lines) end->heard = conversation::current->now();
        if (!end->finished) end->taken += static_cast<std::size_t>(n);
    }
    conversation::current->between_calls();
    errno = error;
    return n;
}

/// The sanitizer does not see a system call: this is for it.
void write_ends(void* buffer, std::size_t size) {
    if (size == 0) return;
    auto* const bytes = static_cast<volatile char*>(buffer);
    bytes[0] = 0;
    bytes[size - 1] = 0;
}

void read_ends(const void* buffer, std::size_t size) {
    if (size == 0) return;
    const auto* const bytes = static_cast<const volatile char*>(buffer);
    static_cast<void>(bytes[0]);
    static_cast<void>(bytes[size - 1]);
}

std::size_t size_of(const msghdr& message) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < message.msg_iovlen; ++i) size += message.msg_iov[i].iov_len;
    return size;
}

/// The beginning of a message's buffers.
std::vector<iovec> first(const msghdr& message, std::size_t size) {
    std::vector<iovec> parts;
    for (std::size_t i = 0; i < message.msg_iovlen && size > 0; ++i) {
        parts.push_back(message.msg_iov[i]);
        parts.back().iov_len = std::min(parts.back().iov_len, size);
        size -= parts.back().iov_len;
    }
    return parts;
}

/// \return what is sent, or what a server believes that loses a byte, or sends one more or another
ssize_t send_some(int fd, const void* from, std::size_t size, int flags) {
    read_ends(from, size);
    if (conversation::current == nullptr) return kernel::send(fd, from, size, flags);
    if (conversation::current->is_stopped() && fuzz::broken("forget"))
        return static_cast<ssize_t>(size);
    const bool loses = size > 1 && fuzz::broken("lose");
    if (size > 1 && fuzz::broken("swap")) --size, from = static_cast<const char*>(from) + 1;
    const auto n = kernel::send(fd, from, loses ? size - 1 : size, flags);
    if (n > 0 && fuzz::broken("double")) kernel::send(fd, from, 1, flags);
    return loses && n > 0 ? n + 1 : n;
}

} // namespace

extern "C" {

ssize_t recv(int fd, void* buffer, size_t size, int flags) {
    return call(fd, direction::read, size, [&](std::size_t most) {
        write_ends(buffer, most);
        return kernel::recv(fd, buffer, most, flags);
    });
}

ssize_t read(int fd, void* buffer, size_t size) {
    return call(fd, direction::read, size, [&](std::size_t most) {
        write_ends(buffer, most);
        return kernel::read(fd, buffer, most);
    });
}

ssize_t send(int fd, const void* buffer, size_t size, int flags) {
    return call(fd, direction::write, size,
                [&](std::size_t most) { return send_some(fd, buffer, most, flags); });
}

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
    return call(fd, direction::write, size_of(*message), [&](std::size_t most) {
        auto parts = first(*message, most);
        for (const auto& each : parts) read_ends(each.iov_base, each.iov_len);
        msghdr changed = *message;
        changed.msg_iov = parts.data();
        changed.msg_iovlen = parts.size();
        return kernel::sendmsg(fd, &changed, flags);
    });
}

int accept4(int fd, sockaddr* peer, socklen_t* length, int flags) {
    const int made = kernel::accept4(fd, peer, length, flags);
    if (made >= 0 && conversation::current != nullptr) conversation::current->accepted(made);
    return made;
}

int shutdown(int fd, int how) {
    auto* const end = conversation::current != nullptr ? conversation::current->find(fd) : nullptr;
    if (end != nullptr && how != SHUT_RD) end->finished = true;
    return kernel::shutdown(fd, how);
}

int close(int fd) {
    auto* const end = conversation::current != nullptr ? conversation::current->find(fd) : nullptr;
    if (end != nullptr) end->fd = end->epoll = -1;
    return kernel::close(fd);
}

int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
    auto* const end = conversation::current != nullptr ? conversation::current->find(fd) : nullptr;
    if (end != nullptr && operation != EPOLL_CTL_DEL) {
        end->epoll = epoll;
        end->watched = *event;
    }
    return kernel::epoll_ctl(epoll, operation, fd, event);
}

int epoll_wait(int epoll, epoll_event* events, int most, int timeout) {
    return conversation::current->wait(epoll, events, most, timeout * std::int64_t{1'000'000});
}

int epoll_pwait2(int epoll, epoll_event* events, int most, const timespec* timeout,
                 const sigset_t*) {
    const auto span = timeout->tv_sec * std::int64_t{1'000'000'000} + timeout->tv_nsec;
    return conversation::current->wait(epoll, events, most, span);
}

int clock_gettime(clockid_t clock, timespec* time) noexcept {
    if (conversation::current == nullptr || clock != CLOCK_MONOTONIC)
        return kernel::clock_gettime(clock, time);
    const auto now = conversation::current->now();
    *time = {now / 1'000'000'000, now % 1'000'000'000};
    return 0;
}

} // extern "C"
