/// \file
/// Registering, then waiting, then waking.

#include "poller.hpp"

#include "../syscall/trace.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <limits>

namespace stage4 {
namespace {

/// The eventfd's tag. No poll_desc has this index: otherwise a descriptor's events would be taken
/// for the eventfd's, and be lost (Go issue 72900).
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
            .stops_short = (what & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)) != 0,
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
    // The flags of the articles and of Go: report bytes to read (IN), room to write (OUT) and the
    // peer's FIN (RDHUP), each only when it happens (ET). The kernel adds ERR and HUP. We add PRI,
    // urgent data, because a read stops short in front of urgent data as in front of a FIN. Until
    // the kernel reports one of the two, a short read proves that no bytes are left.
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
    std::array<epoll_event, max_events> events;
    const int n = wait_for_events(events, delay);
    std::size_t count = 0;
    for (int i = 0; i < n; ++i) { // n is -1 after EINTR: return no events, as if time were over
        const auto event = read_event(events[static_cast<std::size_t>(i)]);
        if (event.tag.index != wake_tag.index) {
            ready_[count++] = event;
        } else if (delay != 0) {
            // A poll with delay 0 leaves the eventfd readable: it must end the next real wait.
            // Drain it first, then clear the flag. An interrupt() in between finds the flag set and
            // writes nothing, which is fine: this thread is awake. In the other order, its write
            // would be drained and the flag stay set, and no interrupt() would ever write again.
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
        has_pwait2_ = false; // an older kernel, or a sandbox that forbids the call
    }
    nanotime timeout = delay;
    if (delay > 0) // rounded up: a wait that ends before the timer is due would be repeated
        timeout = std::min<nanotime>((delay - 1) / millisecond + 1,
                                     std::numeric_limits<int>::max());
    return trace::epoll_wait(epoll_.get(), events.data(), most, static_cast<int>(timeout));
}

void poller::interrupt() {
    if (wake_pending_.exchange(true)) return; // an earlier call's write ends the wait
    const std::uint64_t once = 1;
    while (::write(wake_.get(), &once, sizeof once) < 0 && errno == EINTR) {}
}

} // namespace stage4
