#pragma once
/// \file
/// The state of one descriptor, shared by the calls that wait for it, the poller that reports its
/// events, its deadlines, and close. Go: runtime/netpoll.go, pollDesc. Article: the middle of
/// "epoll的创建与事件注册". It is a template over its atomics: tests/model runs this very text with
/// atomics of its own and tries every interleaving.
///
/// Each direction, read and write, has one atomic state word (Go: rg and wg):
///
///     state   meaning                          next    who, when
///     nil     no event pending, no waiter      wait    a waiter, before it parks
///                                              ready   the poller, on an event
///     ready   an event came, not consumed yet  nil     the next call, which consumes it
///     wait    a waiter is about to park        waiter  the waiter, if nothing has happened
///                                              nil     a deadline, close, or the waiter itself
///                                              ready   the poller, on an event
///     waiter  parked; the word holds its       ready   the poller, which wakes it
///             address                          nil     a deadline or close, which wakes it
///
/// Why two steps, wait and then waiter? The waiter stores `wait`, and only then checks for close
/// and expiry ([recheck]). Close and expiry do the reverse: they set their bit in info_, and only
/// then look at the state word. Whatever the interleaving, at least one of them sees what the other
/// stored, so no wake-up is lost. This needs sequentially consistent atomics, the default.
///
/// A poll_desc serves one descriptor after another. Each use is a generation with its own sequence
/// number, whose lower 16 bits are the upper 16 of a state word. An event carries the number of the
/// generation in which its descriptor was registered. If that one has ended, the numbers differ,
/// and the event changes nothing. (Go compares pollDesc.fdseq beforehand, and may wake in vain.)

#include "timers.hpp"
#include "waiter.hpp"

#include <atomic>
#include <cstdint>

namespace stage5 {

/// A direction of a descriptor. Each has one waiter at most.
enum class direction : std::uint8_t { read = 0, write = 1 };

/// Says that a system call may be tried now, or what prevents it.
enum class poll_status : std::uint8_t {
    ready,           ///< try it
    parked,          ///< the waiter is parked, and will be woken once
    closing,         ///< the descriptor has been closed. Go: pollErrClosing
    timed_out,       ///< the deadline has passed. Go: pollErrTimeout
    not_pollable,    ///< the last event was an error and nothing else. Go: pollErrNotPollable
    already_waiting, ///< another call waits in this direction. Go: throw("double wait")
};

/// One descriptor in the poller. Go: runtime.pollDesc. "Requires the lock" below means the lock of
/// the netpoll that owns the object; in Go each pollDesc has a lock of its own.
template <template <typename> class Atomic>
class basic_poll_desc : public timer { // it fires at the earlier deadline, or before that
public:
    int fd = -1;             ///< the registered descriptor, not owned; -1 if there is none
    std::uint32_t index = 0; ///< the slot in its netpoll's table; never changes

    basic_poll_desc() : timer{nullptr} {} ///< Makes an unused one, for open().

    /// Begins a generation for `descriptor`. Call it before epoll_ctl: the first event may come
    /// while epoll_ctl still runs. Go: poll_runtime_pollOpen.
    void open(int descriptor);
    /// Ends the generation. Events that epoll_wait has already returned carry the old sequence
    /// number and will be ignored. Go: pollCache.free.
    void end();
    /// Returns the sequence number of the current generation.
    [[nodiscard]] std::uint32_t sequence() const {
        return static_cast<std::uint32_t>(info_.load() >> 32);
    }

    /// Checks whether a system call may be tried. \return `ready`, or else `closing`, `timed_out`
    /// or `not_pollable`. Go: netpollcheckerr.
    [[nodiscard]] poll_status check(direction s) const;
    /// Like check(), but also discards a pending event. The system call must follow: it finds what
    /// the event was about. \return like check(), or `already_waiting`. Go: poll_runtime_pollReset.
    poll_status prepare(direction s);
    /// Consumes a pending event, or parks `w`. The caller must ensure that there is only one call
    /// per direction at a time (Go: fdMutex). A second one gets `already_waiting`, but not always.
    /// \return `ready` if there was an event; `parked`, and then `w` may already be running on
    /// another thread; otherwise why `w` must not wait. Go: netpollblock, poll_runtime_pollWait.
    poll_status block(direction s, waiter& w);
    /// Returns true if a call is parked in this direction, or about to park.
    [[nodiscard]] bool has_waiter(direction s) const {
        return (states_[static_cast<std::size_t>(s)].load() & state_mask) > ready;
    }
    /// Returns true once an event has announced the stream's end or urgent data. A read stops short
    /// in front of both. Until then, a short read of a TCP socket has emptied its receive queue.
    [[nodiscard]] bool stops_short() const { return (info_.load() & short_reads_bit) != 0; }

    /// Records what an event of generation `sequence` reports, if that generation has not ended.
    /// Call it before report_ready(), whose reader must find the record. Go: setEventErr
    /// \param stops_short if true, stays recorded until the generation ends
    /// \param error the event is an error and nothing else; the next event overwrites this
    void record_event(std::uint32_t sequence, bool stops_short, bool error);
    /// Records that `s` became ready in generation `sequence`. \return the waiter to wake, or
    /// nullptr. Go: netpollready
    waiter* report_ready(direction s, std::uint32_t sequence) { return unblock(s, true, sequence); }

    /// Requires the lock. From now on check() returns `closing`, and no waiter parks any more.
    /// Calls wake(waiter&) for each waiter that is parked. Go: poll_runtime_pollUnblock.
    template <typename Wake>
    void close(const Wake& wake);

    /// Moves a running deadline to a later time, or clears it if `when` is 0. Needs no lock: the
    /// timer stays as it is. \return false, without effect, if set_deadline() is needed instead
    bool postpone(direction s, nanotime when);
    /// Requires the lock. Sets a deadline, or clears it if `when` is 0. One that is not after `now`
    /// expires: wake(waiter&) is called for a parked waiter. Go: poll_runtime_pollSetDeadline.
    template <typename Wake>
    void set_deadline(direction s, nanotime when, nanotime now, const Wake& wake);
    /// Requires the lock. Expires the deadlines that are not after `now`, and calls wake(waiter&)
    /// for each waiter parked in their directions. Go: netpolldeadlineimpl.
    template <typename Wake>
    void expire(nanotime now, const Wake& wake);
    /// Requires the lock. Returns the earlier of the running deadlines, or 0 if there is none.
    [[nodiscard]] nanotime next_deadline() const;

private:
    using word = std::uint64_t;
    static constexpr word nil = 0, ready = 1, wait = 2; ///< a greater one: a waiter's address
    static constexpr word state_mask = (word{1} << 48) - 1;
    static constexpr word closing_bit = 1, error_bit = 2, short_reads_bit = 4, expired_bit = 8;
    static constexpr nanotime expired = -1; ///< kept until the deadline is set again

    /// Returns a generation's part of a state word, the upper 16 bits.
    static word generation_of(std::uint32_t sequence) { return word{sequence} << 48; }
    static word expired_bit_of(direction s) { return expired_bit << static_cast<unsigned>(s); }
    Atomic<word>& state_of(direction s) { return states_[static_cast<std::size_t>(s)]; }
    Atomic<nanotime>& deadline_of(direction s) { return deadlines_[static_cast<std::size_t>(s)]; }
    /// Records an event (io_ready) or ends a wait. \return the waiter to wake. Go: netpollunblock
    waiter* unblock(direction s, bool io_ready, std::uint32_t sequence);

    Atomic<word> states_[2]{};        ///< the state words. Go: rg, wg
    Atomic<word> info_{};             ///< lower half: closing_bit etc.; upper: sequence number
    Atomic<nanotime> deadlines_[2]{}; ///< 0 if not set, -1 once expired. Go: rd, wd
};

template <template <typename> class Atomic>
void basic_poll_desc<Atomic>::open(int descriptor) {
    fd = descriptor;
    deadlines_[0].store(0);
    deadlines_[1].store(0);
    states_[0].store(generation_of(sequence()) | nil);
    states_[1].store(generation_of(sequence()) | nil);
    info_.store(static_cast<word>(sequence()) << 32);
}

template <template <typename> class Atomic>
void basic_poll_desc<Atomic>::end() {
    const std::uint32_t next = sequence() + 1;
    info_.store(static_cast<word>(next) << 32 | closing_bit);
    states_[0].store(generation_of(next) | nil);
    states_[1].store(generation_of(next) | nil);
    fd = -1;
}

template <template <typename> class Atomic>
poll_status basic_poll_desc<Atomic>::check(direction s) const {
    const word info = info_.load();
    if ((info & closing_bit) != 0) return poll_status::closing;
    if ((info & expired_bit_of(s)) != 0) return poll_status::timed_out;
    // A write is tried in any case: the system call returns the error itself. Go issue 30817.
    if (s == direction::read && (info & error_bit) != 0) return poll_status::not_pollable;
    return poll_status::ready;
}

template <template <typename> class Atomic>
poll_status basic_poll_desc<Atomic>::prepare(direction s) {
    const auto status = check(s);
    if (status != poll_status::ready) return status;
    word old = state_of(s).load();
    if ((old & state_mask) > ready) return poll_status::already_waiting;
    if ((old & state_mask) == ready) state_of(s).compare_exchange_strong(old, old & ~state_mask);
    return poll_status::ready;
}

// [block]
template <template <typename> class Atomic>
poll_status basic_poll_desc<Atomic>::block(direction s, waiter& w) {
    auto& g = state_of(s);
    while (true) {
        word old = g.load();
        const word empty = old & ~state_mask;
        if ((old & state_mask) > ready) return poll_status::already_waiting;
        if ((old & state_mask) == ready) {
            g.store(empty | nil); // no other thread changes `ready`: a store is enough
            return poll_status::ready;
        }
        if (!g.compare_exchange_strong(old, empty | wait)) continue; // an event, just now

        // [recheck]
        // Close or expiry may have come before `wait` was stored. Then they found no waiter.
        auto status = check(s);
        if (status == poll_status::ready) {
            word waiting = empty | wait;
            const auto self = static_cast<word>(reinterpret_cast<std::uintptr_t>(&w));
            if (g.compare_exchange_strong(waiting, empty | self)) return poll_status::parked;
        }
        // [recheck]
        // Not parked. An event that came first counts, even after a deadline or close.
        if ((g.exchange(empty | nil) & state_mask) == ready) return poll_status::ready;
        status = check(s);
        if (status != poll_status::ready) return status;
        // A deadline expired, but was set to a later time before this check: start over.
    }
}
// [block]

// [unblock]
template <template <typename> class Atomic>
waiter* basic_poll_desc<Atomic>::unblock(direction s, bool io_ready, std::uint32_t sequence) {
    auto& g = state_of(s);
    word old = g.load();
    while (true) {
        const word state = old & state_mask;
        if ((old & ~state_mask) != generation_of(sequence)) return nullptr; // a past generation
        if (state == ready) return nullptr;
        if (state == nil && !io_ready) return nullptr; // no waiter; info_ has expiry or close
        if (g.compare_exchange_strong(old, generation_of(sequence) | (io_ready ? ready : nil)))
            return state > wait ? reinterpret_cast<waiter*>(static_cast<std::uintptr_t>(state))
                                : nullptr; // from `wait`: the waiter finds that it can't park
    }
}
// [unblock]

template <template <typename> class Atomic>
void basic_poll_desc<Atomic>::record_event(std::uint32_t sequence, bool stops_short, bool error) {
    word old = info_.load();
    while (old >> 32 == sequence) {
        word wanted = error ? old | error_bit : old & ~error_bit;
        if (stops_short) wanted |= short_reads_bit;
        if (wanted == old || info_.compare_exchange_strong(old, wanted)) return;
    }
}

template <template <typename> class Atomic>
template <typename Wake>
void basic_poll_desc<Atomic>::close(const Wake& wake) {
    info_.fetch_or(closing_bit); // before looking at the state words: see the head of this file
    for (const direction s : {direction::read, direction::write}) {
        // Otherwise a set_deadline() that comes late would set the timer for this deadline again,
        // and the timer would fire in the next generation.
        deadline_of(s).store(0);
        if (auto* const w = unblock(s, false, sequence())) wake(*w);
    }
}

// [postpone]
template <template <typename> class Atomic>
bool basic_poll_desc<Atomic>::postpone(direction s, nanotime when) {
    auto& deadline = deadline_of(s);
    nanotime old = deadline.load();
    // While a deadline runs, its timer is set for that time or an earlier one, and is set again
    // when it fires too early. If the timer expires the deadline just now, the exchange fails.
    return old > 0 && (when == 0 || when >= old) && deadline.compare_exchange_strong(old, when);
}
// [postpone]

template <template <typename> class Atomic>
template <typename Wake>
void basic_poll_desc<Atomic>::set_deadline(direction s, nanotime when, nanotime now,
                                           const Wake& wake) {
    if ((info_.load() & closing_bit) != 0) return;
    const bool past = when != 0 && when <= now;
    deadline_of(s).store(past ? expired : when);
    if (past) {
        info_.fetch_or(expired_bit_of(s));
        if (auto* const w = unblock(s, false, sequence())) wake(*w);
    } else {
        info_.fetch_and(~expired_bit_of(s));
    }
}

template <template <typename> class Atomic>
template <typename Wake>
void basic_poll_desc<Atomic>::expire(nanotime now, const Wake& wake) {
    for (const direction s : {direction::read, direction::write}) {
        nanotime deadline = deadline_of(s).load();
        while (deadline > 0 && deadline <= now)
            if (deadline_of(s).compare_exchange_strong(deadline, expired)) {
                info_.fetch_or(expired_bit_of(s));
                if (auto* const w = unblock(s, false, sequence())) wake(*w);
                break;
            }
    }
}

template <template <typename> class Atomic>
nanotime basic_poll_desc<Atomic>::next_deadline() const {
    const nanotime r = deadlines_[0].load(), w = deadlines_[1].load();
    if (r <= 0) return w > 0 ? w : 0;
    return w > 0 && w < r ? w : r;
}

/// The poll_desc with real atomics. It fills one cache line exactly.
using poll_desc = basic_poll_desc<std::atomic>;
static_assert(sizeof(poll_desc) == 64);

} // namespace stage5
