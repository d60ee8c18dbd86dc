#pragma once
/// \file
/// One state word, Go's rg, without deadlines and generations; and two simpler attempts that are
/// wrong. They belong to the page "The lost wake-up". tests/model/lost_wakeup tries every
/// interleaving of all three.

#include <cstdint>

namespace example {

/// What a state word holds: a number, or the address of a parked waiter.
using word = std::uint64_t;

/// Wrong: a flag and an address, which change one after the other.
template <template <typename> class Atomic>
class two_words {
public:
    // [naive]
    bool block(word self) {                        // the waiter, after EAGAIN
        if (ready_.exchange(0) != 0) return false; // an event has come: try again
        waiter_.store(self);                       // no event has come: park
        return true;
    }
    word event() { // the poller: returns the waiter to wake, or 0
        const word found = waiter_.exchange(0);
        if (found == 0) ready_.store(1); // for the next block()
        return found;
    }
    // [naive]

private:
    Atomic<word> ready_{};
    Atomic<word> waiter_{};
};

/// Wrong: stores its address at once, and looks for a close afterwards.
template <template <typename> class Atomic>
class address_first {
public:
    // [address_first]
    bool block(word self) {
        word nothing = nil;
        if (!rg_.compare_exchange_strong(nothing, self)) { // it was `ready`
            rg_.store(nil);
            return false;
        }
        if (closing_.load() == 0) return true;
        return !rg_.compare_exchange_strong(self, nil); // closed: take the address back
    }
    // [address_first]
    /// Records an event. \return the waiter to wake, or 0
    word event() {
        const word old = rg_.exchange(ready);
        return old > ready ? old : 0;
    }
    /// Ends all waiting. \return the waiter to wake, or 0
    word close() {
        closing_.store(1);
        const word old = rg_.exchange(nil);
        return old > ready ? old : 0;
    }

private:
    static constexpr word nil = 0, ready = 1;
    Atomic<word> rg_{};
    Atomic<word> closing_{};
};

// [rg_only]
/// Right: the protocol of poll_desc.hpp for one direction.
template <template <typename> class Atomic>
class rg_only {
public:
    /// Parks after EAGAIN. \return true if parked: event() or close() will return `self`, once;
    /// false if something has happened: try again
    bool block(word self) {
        word nothing = nil;
        if (!rg_.compare_exchange_strong(nothing, wait)) {
            rg_.store(nil); // it was `ready`: consume the event
            return false;
        }
        word waiting = wait;
        if (closing_.load() == 0 && rg_.compare_exchange_strong(waiting, self)) return true;
        rg_.store(nil); // an event or a close came first: do not park
        return false;
    }
    /// Records an event. \return the waiter to wake, or 0
    word event() { return unblock(ready); }
    /// Ends all waiting. \return the waiter to wake, or 0
    word close() {
        closing_.store(1);
        return unblock(nil);
    }

private:
    word unblock(word next) {
        word old = rg_.load();
        do
            if (old == ready || (old == nil && next == nil)) return 0;
        while (!rg_.compare_exchange_strong(old, next));
        return old > wait ? old : 0; // from `wait`: the waiter sees that it can't park
    }
    static constexpr word nil = 0, ready = 1, wait = 2; // greater: a waiter's address
    Atomic<word> rg_{};
    Atomic<word> closing_{};
};
// [rg_only]

} // namespace example
