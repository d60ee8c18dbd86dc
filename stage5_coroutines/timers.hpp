#pragma once
/// \file
/// Who is to be called when: the heap behind deadlines. Answers "TCP的超时机制" from below; Go
/// keeps the same kind of heap, four children a node (runtime/time.go), one for each P. Go 1.12,
/// the articles' version, still had 64 of them with a goroutine each.

#include "waiter.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace stage5 {

class timers;

/// Points of time and spans in nanoseconds of the monotonic clock; 0 is never. Go: nanotime.
using nanotime = std::int64_t;

/// What time it is.
nanotime now();

/// What a timer finds when it fires.
struct expiry {
    timers& heap;                ///< where it may set itself again
    nanotime now;                ///< what time it is, for all that fire together
    std::vector<waiter*>& woken; ///< to be woken when the heap is no longer locked
};

/// Something that is to happen once. It must stay where it is while it is set.
struct timer {
    /// Called by timers::expire(), which has taken it out.
    void (*fire)(timer&, const expiry&);
    /// Its place in the heap, from 1 up; 0 while it is not set.
    std::uint32_t place = 0;
};

/// A 4-ary heap of timers, the earliest on top. Not thread-safe: whoever owns it locks.
class timers {
public:
    /// Lets `what` fire at `when`, whatever it was set to before. O(log n).
    void set(timer& what, nanotime when);
    /// Lets it not fire. O(log n).
    void remove(timer& what);

    /// When a timer that is set will fire.
    [[nodiscard]] nanotime when(const timer& what) const { return heap_[what.place - 1].when; }
    /// When the first one will fire; 0 if none is set.
    [[nodiscard]] nanotime next() const { return heap_.empty() ? 0 : heap_.front().when; }
    [[nodiscard]] std::size_t size() const { return heap_.size(); } ///< how many are set
    /// Makes room for `count` timers, so that set() needs no memory. Throws std::bad_alloc.
    void reserve(std::size_t count) { heap_.reserve(count); }
    [[nodiscard]] std::size_t capacity() const { return heap_.capacity(); } ///< room for so many

    /// Fires those whose time has come at `now`, the earliest first; adds to `woken`.
    /// \param most timers; the others fire in the next call
    void expire(nanotime now, std::vector<waiter*>& woken,
                std::size_t most = std::numeric_limits<std::size_t>::max());

private:
    struct entry {
        nanotime when; // here and not in the timer: looking for a place touches the heap alone
        timer* what;
    };
    void put(std::size_t place, entry what);
    void rise(std::size_t place, entry what);
    void sink(std::size_t place, entry what);

    std::vector<entry> heap_;
};

} // namespace stage5
