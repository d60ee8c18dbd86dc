#pragma once
/// \file
/// The epoll instance, used as Go uses it. Each descriptor is registered once, for both directions
/// and edge-triggered. Its poll_desc remembers the events, so the registration never changes.
/// Go: runtime/netpoll_epoll.go. Articles: "epoll的创建与事件注册" and the end of "Tcp服务端源码".

#include "../syscall/syscall_error.hpp"
#include "../syscall/unique_fd.hpp"
#include "timers.hpp"

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <expected>
#include <span>

namespace stage4 {

/// Identifies a poll_desc and its generation; epoll returns it with each event. (Go packs a pointer
/// and some bits of the sequence number. Go 1.12 had the pointer alone, and could take an event of
/// a closed descriptor for one of its successor.)
struct event_tag {
    std::uint32_t index = 0;    ///< basic_poll_desc::index
    std::uint32_t sequence = 0; ///< basic_poll_desc::sequence. Go: pollDesc.fdseq
};

/// One event of one descriptor. It may also report a direction in which no call waits. Then the
/// next call in that direction makes one system call in vain at worst.
struct poll_event {
    event_tag tag;         ///< the one that add() was given
    bool readable = false; ///< IN, RDHUP, HUP or ERR. Go: mode 'r'
    bool writable = false; ///< OUT, HUP or ERR. Go: mode 'w'
    /// RDHUP, HUP, ERR or PRI: the stream's end or urgent data. A read stops short in front of
    /// both, so a short read no longer proves that nothing is left.
    bool stops_short = false;
    bool error = false; ///< ERR and nothing else
};

/// An epoll instance, with an eventfd in it that ends a wait early. add, remove and interrupt may
/// be called from any thread, wait from one thread at a time.
class poller {
public:
    static constexpr nanotime forever = -1; ///< a delay without a limit. Go: netpoll(-1)

    /// Creates the epoll instance and the eventfd. \return the error of the call that failed, if
    /// one did. Go: netpollinit.
    std::expected<void, syscall_error> open();

    /// Registers `fd`, for as long as it is open: there is no EPOLL_CTL_MOD. \return epoll_ctl's
    /// error, if it failed. Go: netpollopen.
    std::expected<void, syscall_error> add(int fd, event_tag tag);
    /// Unregisters `fd`. Call it before close(): if another process has inherited the descriptor,
    /// close() alone leaves it registered, and its events keep coming. Go: netpollclose.
    void remove(int fd);

    /// Waits until there are events, interrupt() is called, or `delay` ns are over; 0 polls without
    /// waiting. Go: netpoll(delay), which rounds to milliseconds.
    /// \return the events, possibly none; valid until the next call
    std::span<const poll_event> wait(nanotime delay);

    /// Ends the wait that is in progress, or the next one whose delay is not 0. Safe in a signal
    /// handler. Go: netpollBreak.
    void interrupt();

private:
    static constexpr std::size_t max_events = 128; ///< per call; the next returns others

    int wait_for_events(std::span<epoll_event> events, nanotime delay);

    unique_fd epoll_;
    unique_fd wake_;                         ///< an eventfd; waits end while it is readable
    std::atomic<bool> wake_pending_ = false; ///< wake_ is or will be readable. Go: netpollWakeSig
    bool has_pwait2_ = true;                 ///< false once epoll_pwait2 (Linux 5.11) is missing
    std::array<poll_event, max_events> ready_{};
};

} // namespace stage4
