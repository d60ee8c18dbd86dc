/// \file
/// The three calls epoll_create1, epoll_ctl and epoll_wait. Go uses the same three
/// (runtime/netpoll_epoll.go), but registers each descriptor only once, as stage 4 does.

#include "poller.hpp"

#include "../syscall/trace.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

namespace stage3 {
namespace {

/// How many events one wait() receives at most. If more descriptors are ready, epoll reports the
/// others in the next calls. Go receives 128 as well.
constexpr int max_events = 128;

} // namespace

// [add]
std::expected<void, syscall_error> poller::open() {
    ready_.reserve(max_events); // so that wait() needs no memory
    epoll_ = unique_fd{::epoll_create1(EPOLL_CLOEXEC)};
    if (epoll_) return {};
    return std::unexpected(syscall_error{"epoll_create1", errno});
}

std::expected<void, syscall_error> poller::add(int fd, interest what) {
    return control(EPOLL_CTL_ADD, fd, static_cast<std::uint32_t>(what));
}

void poller::modify(int fd, interest what) {
    static_cast<void>(control(EPOLL_CTL_MOD, fd, static_cast<std::uint32_t>(what)));
}

void poller::remove(int fd) {
    static_cast<void>(control(EPOLL_CTL_DEL, fd, 0));
}
// [add]

// [wait]
std::expected<std::span<const int>, syscall_error> poller::wait(std::chrono::milliseconds timeout) {
    ready_.clear();
    std::array<epoll_event, max_events> events;
    const auto limit = std::min(timeout,
                                std::chrono::milliseconds(std::numeric_limits<int>::max()));
    const int n = trace::epoll_wait(epoll_.get(), events.data(), max_events,
                                    static_cast<int>(limit.count()));
    if (n < 0 && errno != EINTR) return std::unexpected(syscall_error{"epoll_wait", errno});
    // n is 0 after a timeout and -1 after a signal (EINTR): the caller waits again.
    for (int i = 0; i < n; ++i) ready_.push_back(events[static_cast<std::size_t>(i)].data.fd);
    return ready_;
}
// [wait]

std::expected<void, syscall_error> poller::control(int operation, int fd, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (trace::epoll_ctl(epoll_.get(), operation, fd, &event) == 0) return {};
    return std::unexpected(syscall_error{"epoll_ctl", errno});
}

} // namespace stage3
