#pragma once
/// \file
/// A channel, by which a goroutine sends values to another one that waits for them. Go: chan.
/// dial() gets the results of its races through one, and the server hears through one that a client
/// has left.

#include "../syscall/trace.hpp"
#include "netpoll.hpp"
#include "scheduler.hpp"
#include "task.hpp"
#include "time.hpp"

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace stage5 {

/// A bounded queue of values between goroutines. Thread-safe. It must outlive the goroutines that
/// wait for it. Sending needs no memory, so that a goroutine can report its end in any case.
template <typename T>
class chan {
public:
    class receiving;

    /// \param capacity how many values it keeps while no goroutine waits for one
    explicit chan(std::size_t capacity) : values_(capacity) {}
    chan(const chan&) = delete;            ///< goroutines that wait point to it
    chan& operator=(const chan&) = delete; ///< for the same reason

    /// Gives the value to the goroutine that has waited longest, or keeps it if none waits. Does
    /// not wait. \return false if the channel is full. Go: select with a default
    bool try_send(T value) {
        std::unique_lock guard(mutex_);
        if (first_waiting_ == nullptr) {
            if (count_ == values_.size()) return false;
            values_[(first_ + count_++) % values_.size()].emplace(std::move(value));
            return true;
        }
        receiving& who = *first_waiting_;
        dequeue(who);
        who.value_.emplace(std::move(value));
        const bool is_ours = who.cancel_alarm();
        guard.unlock();
        if (is_ours) ready(*who.who_);
        return true;
    }

    /// Awaited, waits for a value until the point in time `until`; time_point{} is no limit.
    /// \return the value, or nothing if none has come by then. Go: <-c
    [[nodiscard]] receiving receive(time_point until = {}) { return receiving(*this, until); }

private:
    /// Returns the link in the wait queue that points to `who`, or for nullptr the link at the end
    /// of the queue. Requires the lock. Linear, but the queue is short.
    receiving** link_to(const receiving* who) {
        receiving** link = &first_waiting_;
        while (*link != nullptr && *link != who) link = &(*link)->next_;
        return link;
    }
    void dequeue(receiving& who) {
        receiving** const link = link_to(&who);
        if (*link != nullptr) *link = who.next_;
    }

    std::mutex mutex_;                     ///< protects what follows
    std::vector<std::optional<T>> values_; ///< a ring buffer. Go: hchan.buf
    std::size_t first_ = 0;                ///< the index of the oldest value. Go: recvx
    std::size_t count_ = 0;                ///< the number of values. Go: qcount
    receiving* first_waiting_ = nullptr;   ///< the wait queue. Go: recvq
};

/// A receive that is awaited, and its place in the wait queue. Go: sudog
///
/// Either a sender or the alarm makes the goroutine ready, and not both. A sender switches the
/// alarm off. If it can't, because the alarm is ringing already, then the alarm makes the goroutine
/// ready, and the goroutine finds the sender's value all the same.
template <typename T>
class chan<T>::receiving : waiter {
public:
    /// Made by receive(); takes no value before it is awaited.
    receiving(chan& from, time_point until)
        : waiter{&on_alarm}, from_(from), until_(to_nanotime(until)), alarm_(*this) {}
    receiving(const receiving&) = delete;            ///< the wait queue points to it
    receiving& operator=(const receiving&) = delete; ///< for the same reason

    awaiting<receiving> operator co_await() && { return awaiting<receiving>(*this); } ///< receives
    static bool begin() noexcept { return false; } ///< suspend() tries, with the lock
    /// Takes a value if there is one; otherwise waits in the queue.
    /// \return true if it waits. Go: chanrecv
    bool suspend(goroutine& who) {
        const std::lock_guard guard(from_.mutex_);
        if (from_.count_ != 0) {
            value_ = std::exchange(from_.values_[from_.first_], std::nullopt);
            from_.first_ = (from_.first_ + 1) % from_.values_.size();
            --from_.count_;
            return false;
        }
        trace::event("park", {.waiter = &who});
        who_ = &who;
        // Before the lock is released. Otherwise a sender could find no alarm to switch off, and
        // leave it to the alarm to make the goroutine ready.
        if (until_ != 0) scheduler::current().poll().set_alarm(alarm_, until_);
        *from_.link_to(nullptr) = this;
        return true;
    }
    std::optional<T> result() { return std::move(value_); } ///< \return nothing if it is too late

private:
    friend class chan;

    /// Requires the lock. \return false if the alarm is ringing, and makes the goroutine ready
    bool cancel_alarm() { return until_ == 0 || scheduler::current().poll().set_alarm(alarm_, 0); }
    static void on_alarm(waiter& w) {
        auto& self = static_cast<receiving&>(w);
        {
            const std::lock_guard guard(self.from_.mutex_);
            self.from_.dequeue(self);
        }
        ready(*self.who_);
    }

    chan& from_;
    nanotime until_;
    alarm alarm_;
    goroutine* who_ = nullptr;
    receiving* next_ = nullptr; ///< the next one in the wait queue
    std::optional<T> value_;
};

} // namespace stage5
