/// \file
/// Each method sets `revents` in every entry of the list. wait() then collects the entries in which
/// it is not 0.

#include "poller.hpp"

#include "../syscall/trace.hpp"

#include <sys/select.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <new>

namespace stage2 {

std::expected<void, syscall_error> poller::add(int fd, interest what) {
    // An fd_set has 1024 bits. For a higher descriptor, FD_SET would write past its end.
    if (method_ == wait_method::select && fd >= FD_SETSIZE)
        return std::unexpected(syscall_error{"select: descriptor 1024 and above", EBADF});
    watched_.push_back({fd, static_cast<short>(what), 0});
    return {};
}

void poller::modify(int fd, interest what) {
    std::ranges::find(watched_, fd, &pollfd::fd)->events = static_cast<short>(what);
}

void poller::remove(int fd) {
    std::erase_if(watched_, [fd](const pollfd& entry) { return entry.fd == fd; });
}

// [wait]
std::expected<std::span<const int>, syscall_error> poller::wait(std::chrono::milliseconds timeout) {
    ready_.clear();
    int count = 1; // as poll() returns it: 0 after a timeout, -1 after an error
    switch (method_) {
    case wait_method::spin:
        for (pollfd& entry : watched_) entry.revents = entry.events;
        break;
    case wait_method::select:
        count = call_select(timeout);
        break;
    case wait_method::poll:
        count = call_poll(timeout);
        break;
    }
    if (count < 0 && errno != EINTR)
        return std::unexpected(
            syscall_error{method_ == wait_method::poll ? "poll" : "select", errno});
    if (count <= 0) return ready_; // a timeout, or EINTR: the caller waits again
    reserve_results();
    for (const pollfd& entry : watched_)
        if (entry.revents != 0 && ready_.size() < ready_.capacity()) ready_.push_back(entry.fd);
    return ready_;
}
// [wait]

/// Reserves space in ready_ for all watched descriptors.
void poller::reserve_results() try {
    ready_.reserve(watched_.capacity());
} catch (const std::bad_alloc&) {
    // No memory: wait() reports as many as fit. The others stay ready, and are reported later.
}

/// Calls poll(), which copies the whole list into the kernel and back in each call.
int poller::call_poll(std::chrono::milliseconds timeout) {
    const auto limit = std::min(timeout,
                                std::chrono::milliseconds(std::numeric_limits<int>::max()));
    return trace::poll(watched_.data(), watched_.size(), static_cast<int>(limit.count()));
}

/// Calls select() with new sets each time, because the kernel overwrites them with its result.
int poller::call_select(std::chrono::milliseconds timeout) {
    fd_set readers, writers;
    FD_ZERO(&readers);
    FD_ZERO(&writers);
    int highest = -1;
    for (const pollfd& entry : watched_) {
        if ((entry.events & POLLIN) != 0) FD_SET(entry.fd, &readers);
        if ((entry.events & POLLOUT) != 0) FD_SET(entry.fd, &writers);
        highest = std::max(highest, entry.fd);
    }
    timeval limit{timeout.count() / 1000, timeout.count() % 1000 * 1000};
    timeval* const forever_or_limit = timeout == forever ? nullptr : &limit;
    const int count = trace::select(highest + 1, &readers, &writers, nullptr, forever_or_limit);
    if (count <= 0) return count;
    for (pollfd& entry : watched_) {
        entry.revents = 0;
        if (FD_ISSET(entry.fd, &readers)) entry.revents |= POLLIN;
        if (FD_ISSET(entry.fd, &writers)) entry.revents |= POLLOUT;
    }
    return count;
}

} // namespace stage2
