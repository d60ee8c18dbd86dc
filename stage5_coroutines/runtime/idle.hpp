#pragma once
/// \file
/// Puts workers to sleep and wakes them, and decides which one of them waits in the poller.
/// Go: runtime/proc.go: stopm, wakep, sysmon. All of it is in this header, as a template over its
/// atomics, its mutex and its condition variables, so that the tests can run this very text with
/// their own and try every interleaving.
///
///     state     the worker                        becomes   when
///     awake     runs coroutines, or looks for one polling   it finds none, and the poller is free
///                                                 asleep    it finds none, and the poller is taken
///     polling   waits in the poller, no timeout   awake     an event, a timer, wake(), stop()
///     asleep    waits on a condition variable     awake     wake(), stop()
///
/// What must hold:
/// 1. When all workers sleep, one of them is polling, and no coroutine is ready.
/// 2. While a worker sleeps, a ready coroutine, an event or a timer waits at most 10 ms until a
///    worker looks for it, even if all other workers compute.
/// 3. After stop(), no worker falls asleep, and those that sleep wake up.
///
/// Rule 1 needs a second look: a worker that has taken the poller checks for work once more before
/// it waits there. A thread that adds work from outside does the reverse: it adds the work, and
/// then checks for a sleeping worker. Whatever the interleaving, at least one of the two sees what
/// the other has written, so no work is left while all workers sleep.
///
/// Rule 2 needs a thread that never computes: sysmon. It checks every 5 ms. It wakes workers if
/// coroutines were in queues at two checks in a row, or if no worker has polled in between. When
/// all workers have slept for 50 ms, sysmon sleeps as well, and the first worker that wakes up
/// wakes it.
///
/// Go differs: it wakes a worker for each goroutine that becomes ready, unless another worker is
/// looking for work already. Most of those workers would find nothing, because the worker that
/// polled has run the goroutine by then. What that costs an echo is in docs/en/microseconds.md,
/// "When to wake another worker".

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace stage5 {

/// The sleep of a scheduler's workers. Thread-safe. \tparam System the atomics, the mutex and the
/// condition variables. \see threads
template <typename System>
class basic_idle {
public:
    /// \param workers their number. All are awake at first.
    explicit basic_idle(std::uint32_t workers) : workers_(workers) {}

    /// True once stop() has been called.
    [[nodiscard]] bool stopping() const { return stopping_.load() != 0; }
    /// True if a worker sleeps, which wake() would wake.
    [[nodiscard]] bool has_sleeper() const { return asleep_.load() != 0; }

    /// Polls without waiting: calls `poll(0)`, unless another worker is in the poller.
    /// \return true if `poll` was called
    template <typename Poll>
    bool try_poll(const Poll& poll);

    /// Puts the calling worker to sleep until there may be work: in `poll(delay)` if the poller is
    /// free, otherwise until wake() or stop(). Go: stopm
    /// \param has_work is called once more before the worker waits in the poller; if it returns
    /// true, the worker polls without waiting
    template <typename HasWork, typename Poll>
    void sleep(const HasWork& has_work, const Poll& poll);

    /// Wakes up to `count` sleeping workers, the one in the poller last, by `interrupt()`. To be
    /// called after the work has been added, so that a worker that wakes up finds it. Go: wakep
    template <typename Interrupt>
    void wake(std::uint32_t count, const Interrupt& interrupt);

    /// Wakes all workers and sysmon, and makes stopping() true.
    template <typename Interrupt>
    void stop(const Interrupt& interrupt);
    /// To be called when stopping() is true: waits until that call of stop() no longer uses this
    /// object and the poller, so that they may be destroyed.
    void wait_for_stop() { const lock guard(mutex_); }

    /// One round of sysmon, which calls it in a loop: sleeps for a tick, then wakes workers if they
    /// are needed by rule 2. Go: sysmon
    /// \param waiting returns how many coroutines are in queues
    /// \return false after stop()
    template <typename Waiting, typename Interrupt>
    bool monitor(const Waiting& waiting, const Interrupt& interrupt);

private:
    template <typename T>
    using atomic = typename System::template atomic<T>;
    using lock = std::unique_lock<typename System::mutex>;

    /// States of poller_: no worker uses it; one polls without waiting; one waits in it.
    static constexpr std::uint32_t free = 0, asked = 1, slept_in = 2;
    static constexpr std::int64_t forever = -1; ///< a delay without end. \see poller::forever
    static constexpr std::chrono::nanoseconds tick = std::chrono::milliseconds(5);

    bool enter_poller(std::uint32_t how);
    void leave_poller();
    bool sleep_for_a_tick();

    const std::uint32_t workers_;
    atomic<std::uint32_t> poller_ = free;
    atomic<std::uint32_t> polls_ = 0;          ///< counts the polls that have ended
    atomic<std::uint32_t> asleep_ = 0;         ///< counts the workers in sleep()
    atomic<std::uint32_t> stopping_ = 0;       ///< 1 after stop()
    atomic<std::uint32_t> monitor_asleep_ = 0; ///< 1: the first worker that wakes up wakes sysmon

    typename System::mutex mutex_;      ///< protects the next two
    atomic<std::uint32_t> waiting_ = 0; ///< counts the workers that wait for wake_
    atomic<std::uint32_t> wakes_ = 0;   ///< wake-ups that no worker has taken yet
    typename System::condition wake_;
    typename System::condition wake_monitor_;

    // What sysmon saw at its last tick. Only sysmon uses these.
    atomic<std::uint32_t> quiet_ticks_ = 0; ///< ticks in a row at which all workers slept
    atomic<std::uint32_t> seen_waiting_ = 0;
    atomic<std::uint32_t> seen_polls_ = 0;
};

template <typename System>
template <typename Poll>
bool basic_idle<System>::try_poll(const Poll& poll) {
    if (!enter_poller(asked)) return false;
    poll(0);
    leave_poller();
    return true;
}

template <typename System>
bool basic_idle<System>::enter_poller(std::uint32_t how) {
    std::uint32_t expected = free;
    return poller_.compare_exchange_strong(expected, how);
}

template <typename System>
void basic_idle<System>::leave_poller() {
    polls_.fetch_add(1);
    poller_.store(free);
}

// [sleep]
template <typename System>
template <typename HasWork, typename Poll>
void basic_idle<System>::sleep(const HasWork& has_work, const Poll& poll) {
    asleep_.fetch_add(1);
    if (enter_poller(slept_in)) {
        // [second look]
        const bool stays_awake = stopping() || has_work();
        // [second look]
        poll(stays_awake ? 0 : forever);
        leave_poller();
    } else {
        lock guard(mutex_);
        waiting_.fetch_add(1);
        wake_.wait(guard, [&] { return wakes_.load() != 0 || stopping(); });
        waiting_.fetch_sub(1);
        if (wakes_.load() != 0) wakes_.fetch_sub(1);
    }
    asleep_.fetch_sub(1);
    if (monitor_asleep_.load() == 0) return;
    const lock guard(mutex_);
    monitor_asleep_.store(0);
    wake_monitor_.notify_one();
}
// [sleep]

// [wake]
template <typename System>
template <typename Interrupt>
void basic_idle<System>::wake(std::uint32_t count, const Interrupt& interrupt) {
    const lock guard(mutex_);
    for (; count > 0 && waiting_.load() > wakes_.load(); --count) {
        wakes_.fetch_add(1);
        wake_.notify_one();
    }
    if (count > 0 && poller_.load() == slept_in) interrupt();
}
// [wake]

template <typename System>
template <typename Interrupt>
void basic_idle<System>::stop(const Interrupt& interrupt) {
    const lock guard(mutex_);
    stopping_.store(1);
    wake_.notify_all();
    wake_monitor_.notify_all();
    interrupt();
}

// [monitor]
template <typename System>
template <typename Waiting, typename Interrupt>
bool basic_idle<System>::monitor(const Waiting& waiting, const Interrupt& interrupt) {
    if (!sleep_for_a_tick()) return false;
    const std::uint32_t sleepers = asleep_.load();
    quiet_ticks_.store(sleepers == workers_ ? quiet_ticks_.load() + 1 : 0);
    const auto before = seen_waiting_.exchange(waiting());
    const auto needed = std::min(before, seen_waiting_.load());
    const auto polls = polls_.load();
    const bool unasked = seen_polls_.exchange(polls) == polls && poller_.load() == free;
    if (sleepers != 0 && (needed != 0 || unasked)) wake(needed + (unasked ? 1 : 0), interrupt);
    return true;
}

/// Sleeps until the next tick; after a long quiet time, until a worker wakes up.
/// \return false after stop()
template <typename System>
bool basic_idle<System>::sleep_for_a_tick() {
    lock guard(mutex_);
    const auto stopped = [&] { return stopping(); };
    if (quiet_ticks_.load() < System::quiet_ticks) {
        wake_monitor_.wait_for(guard, tick, stopped);
    } else {
        monitor_asleep_.store(1);
        // A worker that woke up before it could see monitor_asleep_ has not woken sysmon: check.
        if (asleep_.load() == workers_)
            wake_monitor_.wait(guard, [&] { return monitor_asleep_.load() == 0 || stopping(); });
        monitor_asleep_.store(0);
        quiet_ticks_.store(0);
    }
    return !stopping();
}
// [monitor]

/// The System of the scheduler.
struct threads {
    template <typename T>
    using atomic = std::atomic<T>;                   ///< sequentially consistent
    using mutex = std::mutex;                        ///< held for a few instructions
    using condition = std::condition_variable;       ///< used with that mutex
    static constexpr std::uint32_t quiet_ticks = 10; ///< after so many, sysmon sleeps
};

/// The sleep of the scheduler's workers.
using idle = basic_idle<threads>;

} // namespace stage5
