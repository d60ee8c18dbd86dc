#pragma once
/// \file
/// The epoll instance as Go uses it: "epoll的创建与事件注册" and the end of "Tcp服务端源码". Every
/// descriptor is registered once, for both directions, edge-triggered; what comes is remembered by
/// its poll_desc, so nothing ever has to be told again. Answers runtime/netpoll_epoll.go.

#include "op_error.hpp"
#include "timers.hpp"
#include "unique_fd.hpp"

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <expected>
#include <span>

namespace stage5 {

/// Whose event it is: a poll_desc's place and the number of its life. (Go packs a pointer and
/// some bits of the number; Go 1.12 had the pointer alone, and mistook old events for new.)
struct event_tag {
    std::uint32_t index = 0;    ///< basic_poll_desc::index
    std::uint32_t sequence = 0; ///< basic_poll_desc::sequence. Go: pollDesc.fdseq
};

/// What happened to a descriptor. Sides may be reported that nobody asked about: harmless, since
/// each operation begins with a try.
struct poll_event {
    event_tag tag;         ///< as it was told to add()
    bool readable = false; ///< IN, RDHUP, HUP or ERR. Go: mode 'r'
    bool writable = false; ///< OUT, HUP or ERR. Go: mode 'w'
    /// RDHUP, HUP, ERR or PRI: the stream's end or urgent data, in front of which a read stops
    /// short. From now on a short read does not prove that nothing is left.
    bool cuts_reads = false;
    bool error = false; ///< an error and nothing else
};

/// epoll_create1, epoll_ctl, epoll_wait, and a way to end a wait early. add, remove and interrupt
/// may be called from any thread; wait from one at a time.
class poller {
public:
    static constexpr nanotime forever = -1; ///< a delay: until something happens. Go: netpoll(-1)

    /// Go: netpollinit. \return or what failed
    std::expected<void, syscall_error> open();

    /// Go: netpollopen: the only EPOLL_CTL_ADD in the life of `fd`; there is no MOD.
    std::expected<void, syscall_error> add(int fd, event_tag tag);
    /// Go: netpollclose. Before closing: a descriptor that was inherited elsewhere would go on.
    void remove(int fd);

    /// Waits until there are events, interrupt() is called, or `delay` ns are over; 0 only looks.
    /// Go: netpoll(delay), which knows milliseconds only.
    /// \return perhaps nothing; valid until the next call
    std::span<const poll_event> wait(nanotime delay);

    /// Ends the wait that is going on, or the next one. Safe in a signal handler. Go: netpollBreak.
    void interrupt();

private:
    static constexpr std::size_t events_a_turn = 128; ///< more wait in turn for the next call

    int wait_for_events(std::span<epoll_event> events, nanotime delay);

    unique_fd epoll_;
    unique_fd wake_;                         ///< an eventfd: level-triggered, see interrupt()
    std::atomic<bool> wake_pending_ = false; ///< it is readable or about to be. Go: netpollWakeSig
    bool has_pwait2_ = true;                 ///< Linux 5.11
    std::array<poll_event, events_a_turn> ready_{};
};

} // namespace stage5
