#pragma once
/// \file
/// The protocol between who waits for a descriptor, the poller that has events for it, deadlines,
/// and close: the middle of "epoll的创建与事件注册". It answers runtime/netpoll.go: pollDesc,
/// netpollblock, netpollunblock, netpollready, netpolldeadlineimpl. All of it is in this header,
/// as a template over its atomics, so that the tests can run this very text with atomics of their
/// own and try every interleaving.
///
/// Each side, read and write, has a word that is
///
///     nil     nobody waits         a waiter, about to park, makes it   wait
///                                  the poller, with an edge,           ready
///     ready   an edge has come     its waiter, on the way back,        nil
///     wait    about to park        its waiter, when nothing has        waiter
///                                    changed meanwhile,
///                                  the poller                          ready
///                                  a deadline, close                   nil
///     waiter  parked               the poller, and wakes it,           ready
///                                  a deadline, close, and wake it,     nil
///
/// Why "wait" before "waiter": between them the waiter looks at closing and deadlines once more
/// ([recheck]). Whoever sets those publishes first and looks at the word then; a waiter writes its
/// word first and looks at those then. One of the two sees the other.
///
/// The upper 16 bits of a word are the descriptor's sequence number. An event carries the number
/// of the life that it belongs to, and a compare-and-swap from another life's word fails. (Go
/// compares pollDesc.fdseq before, and accepts a spurious wake-up in the window behind; Go 1.12
/// had no sequence number.)

#include "timers.hpp"
#include "waiter.hpp"

#include <atomic>
#include <cstdint>

namespace stage5 {

/// The two sides of a descriptor, each with one waiter at most.
enum class side : std::uint8_t { read = 0, write = 1 };

/// How waiting went.
enum class poll_status : std::uint8_t {
    ready,           ///< try again
    parked,          ///< the waiter will be woken
    closing,         ///< Go: pollErrClosing
    timed_out,       ///< Go: pollErrTimeout
    not_pollable,    ///< Go: pollErrNotPollable
    already_waiting, ///< somebody else waits on this side. Go: throw("double wait")
};

/// One descriptor in the poller. Go: runtime.pollDesc, whose `lock` is here the lock of the
/// netpoll that owns it: "locked" below means that the caller holds it.
template <template <typename> class Atomic>
class basic_poll_desc : public timer { // which fires at the earlier deadline, or before
public:
    int fd = -1;             ///< borrowed
    std::uint32_t index = 0; ///< where it is in its cache, for ever

    basic_poll_desc() : timer{nullptr} {} ///< nobody's yet: open() begins a life

    /// Begins a life for `descriptor`. To be called before the poller knows of it: an edge may
    /// come at once. Go: poll_runtime_pollOpen.
    void open(int descriptor);
    /// Ends it; events that are still under way will be told by their number. Go: pollCache.free.
    void end();
    /// Identifies this life.
    [[nodiscard]] std::uint32_t sequence() const {
        return static_cast<std::uint32_t>(info_.load() >> 32);
    }

    /// Why nothing may be tried on this side, or `ready`. Go: netpollcheckerr.
    [[nodiscard]] poll_status check(side s) const;
    /// The same, and forgets an edge that came before. A system call must follow, which sees
    /// what that edge was about. Go: poll_runtime_pollReset.
    poll_status prepare(side s);
    /// Waits for an edge. After `parked`, `w` may already run elsewhere. Whoever calls sees to it
    /// that a side has one caller at a time, as Go's fdMutex does: the second may be told, but
    /// when both are on their way at once, not always. Go: netpollblock, poll_runtime_pollWait.
    poll_status block(side s, waiter& w);
    /// Whether somebody waits on this side.
    [[nodiscard]] bool has_waiter(side s) const {
        return (words_[static_cast<std::size_t>(s)].load() & state_mask) > ready;
    }
    /// True once the stream's end or urgent data has been announced, in front of which a read stops
    /// short. Until then a short read of a TCP socket proves that its receive queue was empty.
    [[nodiscard]] bool cuts_reads() const { return (info_.load() & cut_bit) != 0; }

    /// Records what an event of the life `sequence` says. It has to come before edge(), so that a
    /// reader that the event wakes finds the mark.
    /// \param cuts_reads stays recorded until the life ends
    /// \param error it is nothing but an error; another event takes that back. Go: setEventErr
    void mark(std::uint32_t sequence, bool cuts_reads, bool error);
    /// An edge for it. \return whom to wake, if anybody. Go: netpollready
    waiter* edge(side s, std::uint32_t sequence) { return unblock(s, true, sequence); }

    /// Locked: from now on everything ends with `closing`. Calls wake(waiter&) for who waits.
    /// Go: poll_runtime_pollUnblock.
    template <typename Wake>
    void evict(const Wake& wake);

    /// Moves a deadline to a later time, or takes it away, if that is all there is to do: the
    /// timer will find out when it fires. Not locked.
    bool postpone(side s, nanotime when);
    /// Locked: sets a deadline; one in the past expires now. Calls wake(waiter&) for who waits.
    /// Go: poll_runtime_pollSetDeadline.
    template <typename Wake>
    void set_deadline(side s, nanotime when, nanotime now, const Wake& wake);
    /// Locked: lets expire what has come at `now`. Go: netpolldeadlineimpl.
    template <typename Wake>
    void expire(nanotime now, const Wake& wake);
    /// Locked: when the timer has to look again; 0 is never.
    [[nodiscard]] nanotime next_deadline() const;

private:
    using word = std::uint64_t;
    static constexpr word nil = 0, ready = 1, wait = 2; ///< anything above: a waiter's address
    static constexpr word state_mask = (word{1} << 48) - 1;
    static constexpr word closing_bit = 1, error_bit = 2, cut_bit = 4, expired_bit = 8;
    static constexpr nanotime expired = -1; ///< stays so until the deadline is set anew

    static word life(std::uint32_t sequence) { return static_cast<word>(sequence) << 48; }
    static word expired_bit_of(side s) { return expired_bit << static_cast<unsigned>(s); }
    Atomic<word>& word_of(side s) { return words_[static_cast<std::size_t>(s)]; }
    Atomic<nanotime>& deadline_of(side s) { return deadlines_[static_cast<std::size_t>(s)]; }
    waiter* unblock(side s, bool io_ready, std::uint32_t sequence);

    Atomic<word> words_[2]{};         ///< rg and wg
    Atomic<word> info_{};             ///< the bits above; the upper half is the sequence number
    Atomic<nanotime> deadlines_[2]{}; ///< rd and wd: 0 none, -1 expired
};

template <template <typename> class Atomic>
void basic_poll_desc<Atomic>::open(int descriptor) {
    fd = descriptor;
    deadlines_[0].store(0);
    deadlines_[1].store(0);
    words_[0].store(life(sequence()) | nil);
    words_[1].store(life(sequence()) | nil);
    info_.store(static_cast<word>(sequence()) << 32);
}

template <template <typename> class Atomic>
void basic_poll_desc<Atomic>::end() {
    const std::uint32_t next = sequence() + 1;
    info_.store(static_cast<word>(next) << 32 | closing_bit);
    words_[0].store(life(next) | nil);
    words_[1].store(life(next) | nil);
    fd = -1;
}

template <template <typename> class Atomic>
poll_status basic_poll_desc<Atomic>::check(side s) const {
    const word info = info_.load();
    if ((info & closing_bit) != 0) return poll_status::closing;
    if ((info & expired_bit_of(s)) != 0) return poll_status::timed_out;
    // A writer will get the error itself from write(): only readers are told. Go issue 30817.
    if (s == side::read && (info & error_bit) != 0) return poll_status::not_pollable;
    return poll_status::ready;
}

template <template <typename> class Atomic>
poll_status basic_poll_desc<Atomic>::prepare(side s) {
    const auto status = check(s);
    if (status != poll_status::ready) return status;
    word old = word_of(s).load();
    if ((old & state_mask) > ready) return poll_status::already_waiting;
    if ((old & state_mask) == ready) word_of(s).compare_exchange_strong(old, old & ~state_mask);
    return poll_status::ready;
}

// [block]
template <template <typename> class Atomic>
poll_status basic_poll_desc<Atomic>::block(side s, waiter& w) {
    auto& g = word_of(s);
    while (true) {
        word old = g.load();
        const word empty = old & ~state_mask;
        if ((old & state_mask) > ready) return poll_status::already_waiting;
        if ((old & state_mask) == ready) {
            g.store(empty | nil); // only its waiter leaves this state
            return poll_status::ready;
        }
        if (!g.compare_exchange_strong(old, empty | wait)) continue; // an edge, just now

        // [recheck]
        auto status = check(s);
        if (status == poll_status::ready) {
            word waiting = empty | wait;
            const auto self = static_cast<word>(reinterpret_cast<std::uintptr_t>(&w));
            if (g.compare_exchange_strong(waiting, empty | self)) return poll_status::parked;
        }
        // [recheck]
        // Not parked. If an edge came first, it counts, whatever else has happened.
        if ((g.exchange(empty | nil) & state_mask) == ready) return poll_status::ready;
        status = check(s);
        if (status != poll_status::ready) return status;
        // A deadline expired and was moved before we looked: wait again.
    }
}
// [block]

// [unblock]
template <template <typename> class Atomic>
waiter* basic_poll_desc<Atomic>::unblock(side s, bool io_ready, std::uint32_t sequence) {
    auto& g = word_of(s);
    word old = g.load();
    while (true) {
        const word state = old & state_mask;
        if ((old & ~state_mask) != life(sequence)) return nullptr; // it is about somebody else
        if (state == ready) return nullptr;
        if (state == nil && !io_ready) return nullptr; // expiry and closing are not remembered here
        if (g.compare_exchange_strong(old, life(sequence) | (io_ready ? ready : nil)))
            return state > wait ? reinterpret_cast<waiter*>(static_cast<std::uintptr_t>(state))
                                : nullptr; // in "wait" it will notice by itself
    }
}
// [unblock]

template <template <typename> class Atomic>
void basic_poll_desc<Atomic>::mark(std::uint32_t sequence, bool cuts_reads, bool error) {
    word old = info_.load();
    while (old >> 32 == sequence) {
        word wanted = error ? old | error_bit : old & ~error_bit;
        if (cuts_reads) wanted |= cut_bit;
        if (wanted == old || info_.compare_exchange_strong(old, wanted)) return;
    }
}

template <template <typename> class Atomic>
template <typename Wake>
void basic_poll_desc<Atomic>::evict(const Wake& wake) {
    info_.fetch_or(closing_bit); // published before anybody is unblocked
    for (const side s : {side::read, side::write}) {
        deadline_of(s).store(0); // or its timer could still be set, and fire in the next life
        if (auto* const w = unblock(s, false, sequence())) wake(*w);
    }
}

// [postpone]
template <template <typename> class Atomic>
bool basic_poll_desc<Atomic>::postpone(side s, nanotime when) {
    auto& deadline = deadline_of(s);
    nanotime old = deadline.load();
    // While there is a deadline, a timer is set for it or for before. So it may move away from the
    // timer without telling; if the timer takes it first, the exchange fails.
    return old > 0 && (when == 0 || when >= old) && deadline.compare_exchange_strong(old, when);
}
// [postpone]

template <template <typename> class Atomic>
template <typename Wake>
void basic_poll_desc<Atomic>::set_deadline(side s, nanotime when, nanotime now, const Wake& wake) {
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
    for (const side s : {side::read, side::write}) {
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
    const nanotime r = deadlines_[0].load();
    const nanotime w = deadlines_[1].load();
    if (r <= 0) return w > 0 ? w : 0;
    return w > 0 && w < r ? w : r;
}

/// The one that servers use: a cache line.
using poll_desc = basic_poll_desc<std::atomic>;
static_assert(sizeof(poll_desc) == 64);

} // namespace stage5
