#pragma once
/// \file
/// Points in time, sleeping and yielding. Go: package time, runtime.Gosched.

#include "scheduler.hpp"
#include "task.hpp"

#include <chrono>
#include <optional>
#include <type_traits>

namespace stage5 {

/// A point in time of the monotonic clock. (A nanotime is the same as a plain number.)
/// time_point{} stands for never. Go: time.Time
using time_point = std::chrono::steady_clock::time_point;

/// Returns now plus `span`, or the largest time_point if that is less. Go: time.Now().Add
inline time_point after(std::chrono::nanoseconds span) {
    const auto present = std::chrono::steady_clock::now();
    return span > time_point::max() - present ? time_point::max() : present + span;
}

/// Converts a point in time to the poller's numbers.
inline nanotime to_nanotime(time_point when) {
    static_assert(std::is_same_v<time_point::duration, std::chrono::nanoseconds>);
    return when.time_since_epoch().count();
}

/// What sleep_for() returns, to be awaited.
class sleeping {
public:
    explicit sleeping(time_point until) : until_(until) {} ///< \param until when it ends
    awaiting<sleeping> operator co_await() && { return awaiting<sleeping>(*this); } ///< sleeps
    static bool begin() noexcept { return false; } ///< always waits: even a sleep of 0 yields
    /// Sets the alarm that wakes the coroutine.
    bool suspend(goroutine& who) {
        alarm_.emplace(who);
        scheduler::current().poll().set_alarm(*alarm_, to_nanotime(until_));
        return true;
    }
    static void result() noexcept {} ///< no result: nothing wakes it early

private:
    time_point until_;
    std::optional<alarm> alarm_;
};

/// Awaited, suspends the coroutine for that time. Go: time.Sleep.
inline sleeping sleep_for(std::chrono::nanoseconds how_long) {
    return sleeping(after(how_long));
}

/// What yield() returns, to be awaited.
struct yielding {
    awaiting<yielding> operator co_await() && { return awaiting<yielding>(*this); } ///< yields
    static bool begin() noexcept { return false; } ///< always yields
    /// Appends the coroutine to the global queue, behind all others.
    static bool suspend(goroutine& who) {
        scheduler::current().put_last(who);
        return true;
    }
    static void result() noexcept {} ///< no result
};

/// Awaited, lets other coroutines run first. The coroutine may continue on another thread.
/// Go: runtime.Gosched.
inline yielding yield() {
    return {};
}

} // namespace stage5
