#pragma once
/// \file
/// A channel: how goroutines tell each other something, and wait for it. dial() has the results
/// of its races through one, and the server learns that a connection has ended. Go: chan.

#include "netpoll.hpp"
#include "scheduler.hpp"
#include "task.hpp"

#include <algorithm>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace stage5 {

/// A bounded queue between goroutines. Thread-safe. It must outlive who waits in it.
template <typename T>
class chan {
public:
    class receiving;

    /// \param capacity how many values may be in it that nobody waits for
    explicit chan(std::size_t capacity) : capacity_(capacity) {}
    chan(const chan&) = delete;            ///< who waits in it points to it
    chan& operator=(const chan&) = delete; ///< the same

    /// Gives the value to who waits longest, or keeps it. From any thread.
    /// \return false if it is full. Go: select with a default
    bool try_send(T value) {
        std::unique_lock guard(mutex_);
        if (receivers_.empty()) {
            if (values_.size() == capacity_) return false;
            values_.push_back(std::move(value));
            return true;
        }
        receiving& who = *receivers_.front();
        receivers_.pop_front();
        who.value_.emplace(std::move(value));
        const bool is_ours = who.take_from_alarm();
        guard.unlock();
        if (is_ours) ready(*who.who_);
        return true;
    }

    /// Awaits a value. \param until the point in time to give up at; 0 is never
    /// \return or nothing: it is too late
    [[nodiscard]] receiving receive(nanotime until = 0) { return receiving(*this, until); }

private:
    std::mutex mutex_; ///< protects what follows
    std::deque<T> values_;
    std::deque<receiving*> receivers_;
    std::size_t capacity_;
};

/// A sender or the alarm makes its goroutine ready, one of the two: a sender that comes while the
/// alarm is ringing leaves it to that.
template <typename T>
class chan<T>::receiving : waiter {
public:
    /// What receive() makes; it takes nothing before it is awaited.
    receiving(chan& from, nanotime until)
        : waiter{&ring}, from_(from), until_(until), alarm_(*this) {}
    receiving(const receiving&) = delete;            ///< the line points to it
    receiving& operator=(const receiving&) = delete; ///< the same

    static bool await_ready() noexcept { return false; } ///< the lock first: await_suspend()
    /// Takes a value that is there, or gets in line. \return whether it waits. Go: chanrecv
    template <std::derived_from<goroutine> Promise>
    bool await_suspend(std::coroutine_handle<Promise> who) {
        const std::lock_guard guard(from_.mutex_);
        if (!from_.values_.empty()) {
            value_.emplace(std::move(from_.values_.front()));
            from_.values_.pop_front();
            return false;
        }
        who_ = &who.promise();
        from_.receivers_.push_back(this);
        // Locked: no sender must come between, and not find the alarm.
        if (until_ != 0) scheduler::current().poll().set_alarm(alarm_, until_);
        return true;
    }
    std::optional<T> await_resume() { return std::move(value_); } ///< nothing: it is too late

private:
    friend class chan;

    /// Locked. \return false if the alarm is ringing, and will make it ready
    bool take_from_alarm() {
        return until_ == 0 || scheduler::current().poll().set_alarm(alarm_, 0);
    }
    static void ring(waiter& w) {
        auto& self = static_cast<receiving&>(w);
        {
            const std::lock_guard guard(self.from_.mutex_);
            std::erase(self.from_.receivers_, &self);
        }
        ready(*self.who_);
    }

    chan& from_;
    nanotime until_;
    alarm alarm_;
    goroutine* who_ = nullptr;
    std::optional<T> value_;
};

} // namespace stage5
