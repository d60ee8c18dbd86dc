#pragma once
/// \file
/// The poller together with its descriptors, their deadlines, and alarms. Its functions are the
/// ones by which Go's internal/poll calls the runtime. Go: runtime/netpoll.go, pollCache and the
/// poll_runtime_ functions. Articles: "epoll的创建与事件注册" (runtime_pollServerInit,
/// runtime_pollOpen) and "TCP的超时机制" (runtime_pollSetDeadline).

#include "poll_desc.hpp"
#include "poller.hpp"
#include "timers.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <vector>

namespace stage5 {

/// A timer that wakes a waiter at a given time, without a descriptor. Go: time.Sleep does this.
struct alarm : timer {
    /// Makes an alarm that is not set. \param whom the waiter to wake; must outlive the alarm
    explicit alarm(waiter& whom) : timer{&ring}, wakes(&whom) {}
    waiter* wakes; ///< woken by the thread in netpoll::wait(), which holds no lock then

private:
    static void ring(timer&, const expiry&);
};

/// An epoll instance and its poll_descs. A poll_desc is used again for other descriptors, but its
/// memory is not freed before the netpoll is destroyed. So an old event always finds a poll_desc,
/// whose sequence number shows that the event is out of date. Every function may be called from
/// any thread, but wait() from one thread at a time. Waiters are woken without the lock.
class netpoll {
public:
    /// Creates the poller. Go: runtime_pollServerInit.
    static std::expected<std::unique_ptr<netpoll>, syscall_error> open();

    /// Registers a descriptor. \return its poll_desc; ENOMEM; or epoll_ctl's error.
    /// Go: runtime_pollOpen.
    std::expected<poll_desc*, syscall_error> add(int fd);
    /// Wakes the waiters that are parked on `pd`. Their calls and all later ones fail with
    /// `closing`. Go: runtime_pollUnblock.
    void unblock(poll_desc& pd);
    /// Unregisters the descriptor, and frees `pd` for another one. Call it after unblock(), when no
    /// call uses `pd` any more. Go: runtime_pollClose.
    void remove(poll_desc& pd);

    /// Sets a deadline to `when`, a point in time, or clears it if `when` is 0. Once it has passed,
    /// calls fail with `timed_out` until it is set again. Go: runtime_pollSetDeadline.
    /// \param present the current time; callers that know it save a clock_gettime
    void set_deadline(poll_desc& pd, direction s, nanotime when, nanotime present = now()) {
        const bool past = when != 0 && when <= present;
        // Usually postpone() succeeds, without the lock: an active connection moves its deadline
        // to a later time again and again.
        if (past || !pd.postpone(s, when)) change_deadline(pd, s, when, present);
    }

    /// Sets an alarm to `when`, or cancels it if `when` is 0. \return true if it was set before;
    /// false if it never was, or if it has rung or is about to wake its waiter. Throws
    /// std::bad_alloc if the heap of timers has to grow and can't. Go: Timer.Stop, Timer.Reset
    bool set_alarm(alarm& which, nanotime when);

    /// Waits up to `delay` ns for events and timers, then wakes their waiters. A delay of 0 does
    /// not wait, poller::forever has no limit. Go: netpoll(delay), netpollready, timers.check.
    void wait(nanotime delay);
    /// Ends a wait() early, see poller::interrupt(). Safe in a signal handler. Go: netpollBreak.
    void interrupt() { poller_.interrupt(); }

    /// Returns how many timers are set: alarms, and at most one for each poll_desc.
    std::size_t timer_count();

private:
    static constexpr std::size_t descs_per_block = 4096 / sizeof(poll_desc); ///< Go: pollBlockSize
    static constexpr std::size_t max_blocks = 1 << 15;     ///< two million descriptors
    static constexpr std::size_t alarms_with_memory = 64;  ///< room kept when the heap grows
    static constexpr std::size_t max_timers_per_wait = 64; ///< others fire in the next call

    struct block {
        alignas(64) std::array<poll_desc, descs_per_block> descs;
    };

    netpoll();
    poll_desc* allocate();
    void reserve_timers(std::size_t count);
    void change_deadline(poll_desc& pd, direction s, nanotime when, nanotime present);
    poll_desc& at(std::uint32_t index) {
        return std::atomic_ref(blocks_[index / descs_per_block])
            .load()
            ->descs[index % descs_per_block];
    }
    void arm(timer& which, nanotime when);
    nanotime run_timers(nanotime delay);
    static void expire(timer&, const expiry&);

    poller poller_;
    /// The table of blocks. wait() reads it without the lock, through atomic_ref. Entries without
    /// a block are not initialised, so that the pages of the table use no memory until needed.
    std::unique_ptr<block*[]> blocks_;
    std::vector<waiter*> woken_; ///< the waiters of timers that have fired; for wait() only
    std::mutex mutex_;           ///< protects the members below
    std::vector<std::unique_ptr<block>> owned_;
    std::vector<std::uint32_t> free_; ///< indices of unused poll_descs
    timers timers_;
    nanotime wait_ends_ = 0;            ///< when the wait in progress times out; 0 for no limit
    std::atomic<bool> waiting_ = false; ///< wait() blocks or is about to; set under the lock
};

} // namespace stage5
