/// \file
/// epoll_create1, epoll_ctl, epoll_wait. Go: runtime/netpoll_epoll.go has the same three, and
/// registers each descriptor once for all; that is the next stage's.

#include "poller.hpp"

#include "trace.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

namespace stage3 {
namespace {

/// More may be ready; epoll keeps them in turn for the next call. Go asks for as many.
constexpr int events_a_turn = 128;

} // namespace

// [add]
std::expected<void, syscall_error> poller::open() {
    ready_.reserve(events_a_turn); // wait() must not need memory
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
    std::array<epoll_event, events_a_turn> events;
    const auto limit = std::min(timeout,
                                std::chrono::milliseconds(std::numeric_limits<int>::max()));
    const int n = trace::epoll_wait(epoll_.get(), events.data(), events_a_turn,
                                    static_cast<int>(limit.count()));
    if (n < 0 && errno != EINTR) return std::unexpected(syscall_error{"epoll_wait", errno});
    // Nobody in time, or a signal came first (-1, EINTR): the caller looks again.
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
