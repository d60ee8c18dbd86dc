/// \file
/// Top-down: registering, waiting, waking.

#include "poller.hpp"

#include "trace.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <limits>

namespace stage5 {
namespace {

/// No poll_desc has this place: the tags of the two must never meet (Go issue 72900).
constexpr event_tag wake_tag{std::numeric_limits<std::uint32_t>::max(), 0};

epoll_event make_event(std::uint32_t events, event_tag tag) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = std::bit_cast<std::uint64_t>(tag);
    return event;
}

poll_event read_event(const epoll_event& event) {
    const std::uint32_t what = event.events;
    return {.tag = std::bit_cast<event_tag>(std::uint64_t{event.data.u64}),
            .readable = (what & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0,
            .writable = (what & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0,
            .cuts_reads = (what & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)) != 0,
            .error = what == EPOLLERR};
}

} // namespace

// [open]
std::expected<void, syscall_error> poller::open() {
    epoll_ = unique_fd{::epoll_create1(EPOLL_CLOEXEC)};
    if (!epoll_) return std::unexpected(syscall_error{"epoll_create1", errno});
    wake_ = unique_fd{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    if (!wake_) return std::unexpected(syscall_error{"eventfd", errno});
    auto event = make_event(EPOLLIN, wake_tag);
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) == 0) return {};
    return std::unexpected(syscall_error{"epoll_ctl", errno});
}
// [open]

// [add]
std::expected<void, syscall_error> poller::add(int fd, event_tag tag) {
    // The articles' flags, and Go's: report bytes to read (IN), room to write (OUT) and the peer's
    // FIN (RDHUP), each of them once, when it happens (ET). The kernel adds ERR and HUP. We add
    // PRI, urgent data, because a read stops short in front of it as in front of a FIN. As long as
    // neither has been reported, a short read proves that no bytes are left.
    auto event = make_event(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET, tag);
    if (trace::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return {};
    return std::unexpected(syscall_error{"epoll_ctl", errno});
}
// [add]

void poller::remove(int fd) {
    epoll_event ignored{};
    trace::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, &ignored);
}

std::span<const poll_event> poller::wait(nanotime delay) {
    std::array<epoll_event, events_a_turn> events;
    const int n = wait_for_events(events, delay);
    std::size_t count = 0;
    for (int i = 0; i < n; ++i) { // n is -1 when a signal came first: the caller looks again
        const auto event = read_event(events[static_cast<std::size_t>(i)]);
        if (event.tag.index != wake_tag.index) {
            ready_[count++] = event;
        } else if (delay != 0) {
            // Whoever only looks leaves it to whoever sleeps. First the descriptor, then the
            // flag: an interrupt() in between finds the flag set, and we are awake anyway.
            std::uint64_t times = 0;
            static_cast<void>(::read(wake_.get(), &times, sizeof times));
            wake_pending_ = false;
        }
    }
    return std::span(ready_).first(count);
}

int poller::wait_for_events(std::span<epoll_event> events, nanotime delay) {
    constexpr nanotime millisecond = 1'000'000;
    const int most = static_cast<int>(events.size());
    if (delay > 0 && has_pwait2_) {
        const timespec span{delay / 1'000'000'000, delay % 1'000'000'000};
        const int n = trace::epoll_pwait2(epoll_.get(), events.data(), most, &span);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM)) return n;
        has_pwait2_ = false; // an older kernel, or a sandbox that does not know the call
    }
    nanotime timeout = delay;
    if (delay > 0) // rounded up: too early would be to look again and again
        timeout = std::min<nanotime>((delay - 1) / millisecond + 1,
                                     std::numeric_limits<int>::max());
    return trace::epoll_wait(epoll_.get(), events.data(), most, static_cast<int>(timeout));
}

void poller::interrupt() {
    if (wake_pending_.exchange(true)) return; // one is enough for all
    const std::uint64_t once = 1;
    while (::write(wake_.get(), &once, sizeof once) < 0 && errno == EINTR) {}
}

} // namespace stage5
