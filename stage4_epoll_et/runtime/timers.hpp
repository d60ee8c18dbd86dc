#pragma once
/// \file
/// The heap of timers on which deadlines and alarms are built. Article: "TCP的超时机制", its lowest
/// layer. Go: runtime/time.go, which keeps the same kind of heap, with four children per node, for
/// each P. Go 1.12, which the article reads, had 64 such heaps with a goroutine each.

#include "waiter.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace stage4 {

class timers;

/// A point in time, or a span, in nanoseconds of the monotonic clock. As a point in time, 0 means
/// never. Go: nanotime.
using nanotime = std::int64_t;

/// Returns the current time.
nanotime now();

/// What a timer's `fire` is given.
struct expiry {
    timers& heap;                ///< the heap, in which the timer may set itself again
    nanotime now;                ///< the current time; the same for all that fire in one call
    std::vector<waiter*>& woken; ///< takes the waiters that have to be woken once the lock is free
};

/// Something that happens once at a given time. It must not move in memory while it is set.
struct timer {
    /// Called by timers::expire() when the time has come; the timer is no longer set then.
    void (*fire)(timer&, const expiry&);
    /// Its index in the heap plus 1; 0 while it is not set.
    std::uint32_t heap_index = 0;
};

/// A 4-ary heap of timers, the earliest on top. Not thread-safe: the owner must lock.
class timers {
public:
    /// Sets `what` to `when`, whether it was set before or not. O(log n).
    void set(timer& what, nanotime when);
    /// Cancels `what` if it is set. O(log n).
    void remove(timer& what);

    /// Returns the time to which `what` is set; it must be set.
    [[nodiscard]] nanotime when(const timer& what) const { return heap_[what.heap_index - 1].when; }
    /// Returns the earliest time to which a timer is set; 0 if none is set.
    [[nodiscard]] nanotime next() const { return heap_.empty() ? 0 : heap_.front().when; }
    [[nodiscard]] std::size_t size() const { return heap_.size(); } ///< how many are set
    /// Makes room for `count` timers, so that set() needs no memory. Throws std::bad_alloc.
    void reserve(std::size_t count) { heap_.reserve(count); }
    [[nodiscard]] std::size_t capacity() const { return heap_.capacity(); } ///< how many have room

    /// Fires the timers that are due at `now`, the earliest first. They add waiters to `woken`.
    /// \param most fires at most this many; the others stay set, and fire in the next call
    void expire(nanotime now, std::vector<waiter*>& woken,
                std::size_t most = std::numeric_limits<std::size_t>::max());

private:
    struct node {
        nanotime when; // not in the timer, so that comparisons read the heap's memory only
        timer* what;
    };
    void put(std::size_t index, node what);
    void rise(std::size_t index, node what);
    void sink(std::size_t index, node what);

    std::vector<node> heap_;
};

} // namespace stage4
