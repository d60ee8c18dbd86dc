#pragma once
/// \file
/// The poller with its descriptors and their deadlines: what internal/poll sees of the runtime.
/// "epoll的创建与事件注册" (runtime_pollServerInit, runtime_pollOpen) and "TCP的超时机制"
/// (runtime_pollSetDeadline). Answers runtime/netpoll.go: pollCache and the poll_runtime_
/// functions.

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

/// Wakes a waiter at a time, without a descriptor. Go: what time.Sleep does to its goroutine.
struct alarm : timer {
    /// Not set yet. \param whom must outlive it
    explicit alarm(waiter& whom) : timer{&ring}, wakes(&whom) {}
    waiter* wakes; ///< called outside of the netpoll's lock, on the thread in wait()

private:
    static void ring(timer&, const expiry&);
};

/// Hands out poll_descs and keeps their memory for ever, so that an old event always finds one,
/// and tells by its number that it is no longer the same. Every function may be called from any
/// thread, wait() from one at a time. Wakes whom it must outside of its lock.
class netpoll {
public:
    /// Go: runtime_pollServerInit.
    static std::expected<std::unique_ptr<netpoll>, syscall_error> open();

    /// Registers a descriptor. Go: runtime_pollOpen.
    std::expected<poll_desc*, syscall_error> add(int fd);
    /// Ends all waiting for it, now and later, with `closing`. Go: runtime_pollUnblock.
    void unblock(poll_desc& pd);
    /// After unblock(), and when nobody uses it any more: takes it out of the poller and keeps
    /// the memory for the next one. Go: runtime_pollClose.
    void remove(poll_desc& pd);

    /// Sets a deadline at `when`, a point in time; 0 takes it away. What has come or comes to
    /// its deadline fails with `timed_out` until it is set anew. Go: runtime_pollSetDeadline.
    /// \param present what time it is, for those who have looked already
    void set_deadline(poll_desc& pd, side s, nanotime when, nanotime present = now()) {
        const bool past = when != 0 && when <= present;
        if (past || !pd.postpone(s, when)) // a connection that is busy comes no further
            change_deadline(pd, s, when, present);
    }

    /// Sets an alarm, or moves it; 0 takes it away. \return whether it was set before; if not, it
    /// has never been, or it is ringing or has rung. Throws std::bad_alloc, but not for the first
    /// 64 that are set at a time. Go: Timer.Stop, Timer.Reset
    bool set_alarm(alarm& which, nanotime when);

    /// Waits up to `delay` ns for events and timers, and wakes all whom they are for.
    /// Go: netpoll(delay) and netpollready; checkTimers.
    void wait(nanotime delay);
    /// Ends wait() early. Safe in a signal handler. Go: netpollBreak.
    void interrupt() { poller_.interrupt(); }

    /// How many timers are set.
    std::size_t timer_count();

private:
    static constexpr std::size_t descs_a_block = 4096 / sizeof(poll_desc); ///< Go: pollBlockSize
    static constexpr std::size_t most_blocks = 1 << 15;                    ///< two million
    static constexpr std::size_t alarms_with_memory = 64;
    static constexpr std::size_t timers_a_turn = 64; ///< more fire in the next call

    struct block {
        alignas(64) std::array<poll_desc, descs_a_block> descs;
    };

    netpoll();
    poll_desc* allocate();
    void reserve_timers(std::size_t count);
    void change_deadline(poll_desc& pd, side s, nanotime when, nanotime present);
    poll_desc& at(std::uint32_t index) {
        return std::atomic_ref(blocks_[index / descs_a_block]).load()->descs[index % descs_a_block];
    }
    void arm(timer& which, nanotime when);
    nanotime run_timers(nanotime delay);
    static void expire(timer&, const expiry&);

    poller poller_;
    /// Read by wait() without the lock, through atomic_ref. Not set where there is no block yet, so
    /// that the table's pages cost nothing before they are used.
    std::unique_ptr<block*[]> blocks_;
    std::vector<waiter*> woken_; ///< by timers; wait()'s own
    std::mutex mutex_;           ///< protects what follows
    std::vector<std::unique_ptr<block>> owned_;
    std::vector<std::uint32_t> free_;
    timers timers_;
    nanotime wait_ends_ = 0;            ///< when wait() looks at the timers by itself; 0 is never
    std::atomic<bool> waiting_ = false; ///< in the kernel, or about to be; set under the lock
};

} // namespace stage5
