#pragma once
/// \file
/// Which workers are asleep, which one of them waits in the poller, and what wakes them. Go:
/// runtime/proc.go: stopm, wakep, sysmon. All of it is in this header, as a template over its
/// atomics, its mutex and its condition variables, so that the tests can run this very text with
/// their own and try every interleaving.
///
///     state     the worker                        becomes   when
///     awake     runs coroutines, or looks for one polling   it finds none, and the poller is free
///                                                 asleep    it finds none, and the poller is taken
///     polling   waits in the poller, for ever     awake     an event, a timer, wake(), stop()
///     asleep    waits on a condition variable     awake     wake(), stop()
///
/// What must hold:
/// 1. When all workers sleep, one of them is polling, and no coroutine is ready.
/// 2. While a worker sleeps, a ready coroutine, an event or a timer waits at most 10 ms until a
///    worker looks for it, even if all other workers compute.
/// 3. After stop(), no worker falls asleep, and those that sleep wake up.
///
/// Rule 1 needs a second look: a worker that has the poller looks for work once more before it
/// waits there. A thread that adds work from outside does the reverse: it adds the work, and then
/// looks for a sleeper. Whatever the interleaving, one of the two sees what the other has written.
///
/// Rule 2 needs a thread that never computes: sysmon. It looks every 5 ms. If it finds twice in a
/// row that coroutines wait in queues, or that the poller has not been asked, it wakes workers.
/// When all workers have slept for 50 ms, sysmon sleeps as well, and the first worker that wakes up
/// wakes it.
///
/// Here we depart from Go, which wakes a worker for each goroutine that becomes ready, unless one
/// looks for work already. Most of those workers would find nothing, because the one that has
/// polled is faster. What that costs an echo is in docs/en/microseconds.md, "Whom to wake".

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace stage5 {

/// The sleep of a scheduler's workers. \tparam System what it is made of. \see threads
template <typename System>
class basic_idle {
public:
    /// \param workers how many there are. All are awake at first.
    explicit basic_idle(std::uint32_t workers) : workers_(workers) {}

    /// True once stop() has been called.
    [[nodiscard]] bool stopping() const { return stopping_.load() != 0; }
    /// True if wake() would find a worker that sleeps.
    [[nodiscard]] bool has_sleeper() const { return asleep_.load() != 0; }

    /// Asks the poller without waiting: calls `poll(0)`, unless another worker is in the poller.
    /// \return whether it was called
    template <typename Poll>
    bool look(const Poll& poll);

    /// Sleeps until there may be work: in `poll(delay)` if the poller is free, otherwise until
    /// wake() or stop(). \param has_work called once more before it waits in the poller: true if it
    /// must not. Go: stopm
    template <typename HasWork, typename Poll>
    void rest(const HasWork& has_work, const Poll& poll);

    /// Wakes up to `count` workers that sleep; the one in the poller is the last, by `interrupt()`.
    /// To be called after the work has been added, by any thread. Go: wakep
    template <typename Interrupt>
    void wake(std::uint32_t count, const Interrupt& interrupt);

    /// Wakes everybody for good. By any thread.
    template <typename Interrupt>
    void stop(const Interrupt& interrupt);
    /// Returns when a call of stop() that has been noticed has ended. From then on this object and
    /// the poller may be destroyed.
    void wait_for_stop() { const lock guard(mutex_); }

    /// A round of sysmon: sleeps for a tick, then wakes workers if they are needed.
    /// \param waiting returns how many coroutines wait in queues
    /// \return false if there is nothing more to do: stop() has been called. Go: sysmon
    template <typename Waiting, typename Interrupt>
    bool monitor(const Waiting& waiting, const Interrupt& interrupt);

private:
    template <typename T>
    using atomic = typename System::template atomic<T>;
    using lock = std::unique_lock<typename System::mutex>;

    /// What the poller is doing.
    static constexpr std::uint32_t free = 0, asked = 1, slept_in = 2;
    static constexpr std::int64_t forever = -1; ///< as a delay. \see poller::forever
    static constexpr std::chrono::nanoseconds tick = std::chrono::milliseconds(5);

    bool enter_poller(std::uint32_t how);
    void leave_poller();
    bool sleep_for_a_tick();

    const std::uint32_t workers_;
    atomic<std::uint32_t> poller_ = free;
    atomic<std::uint32_t> polls_ = 0;          ///< how often the poller was asked
    atomic<std::uint32_t> asleep_ = 0;         ///< workers in rest()
    atomic<std::uint32_t> stopping_ = 0;       ///< 1 after stop()
    atomic<std::uint32_t> monitor_asleep_ = 0; ///< 1: the first worker that wakes up wakes sysmon

    typename System::mutex mutex_;      ///< protects the next two
    atomic<std::uint32_t> waiting_ = 0; ///< workers that wait for wake_
    atomic<std::uint32_t> wakes_ = 0;   ///< wake-ups that none of them has taken yet
    typename System::condition wake_;
    typename System::condition wake_monitor_;

    // What sysmon has seen at its last tick. Only sysmon uses these.
    atomic<std::uint32_t> quiet_ticks_ = 0; ///< in a row at which all workers slept
    atomic<std::uint32_t> seen_waiting_ = 0;
    atomic<std::uint32_t> seen_polls_ = 0;
};

template <typename System>
template <typename Poll>
bool basic_idle<System>::look(const Poll& poll) {
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

// [rest]
template <typename System>
template <typename HasWork, typename Poll>
void basic_idle<System>::rest(const HasWork& has_work, const Poll& poll) {
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
// [rest]

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

/// \return false if stop() has been called
template <typename System>
bool basic_idle<System>::sleep_for_a_tick() {
    lock guard(mutex_);
    const auto stopped = [&] { return stopping(); };
    if (quiet_ticks_.load() < System::quiet_ticks) {
        wake_monitor_.wait_for(guard, tick, stopped);
    } else {
        monitor_asleep_.store(1);
        // A worker that woke up before it could see that has not woken us.
        if (asleep_.load() == workers_)
            wake_monitor_.wait(guard, [&] { return monitor_asleep_.load() == 0 || stopping(); });
        monitor_asleep_.store(0);
        quiet_ticks_.store(0);
    }
    return !stopping();
}
// [monitor]

/// What the real one is made of.
struct threads {
    template <typename T>
    using atomic = std::atomic<T>;                   ///< sequentially consistent
    using mutex = std::mutex;                        ///< held for a few instructions
    using condition = std::condition_variable;       ///< with that mutex
    static constexpr std::uint32_t quiet_ticks = 10; ///< in a row, and then sysmon sleeps
};

/// The one that the scheduler uses.
using idle = basic_idle<threads>;

} // namespace stage5
