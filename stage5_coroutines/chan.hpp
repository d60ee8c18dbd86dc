#pragma once
/// \file
/// A channel: how goroutines tell each other something, and wait for it. dial() has the results
/// of its races through one, and the server learns that a connection has ended. Go: chan.

#include "netpoll.hpp"
#include "scheduler.hpp"
#include "task.hpp"
#include "trace.hpp"

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace stage5 {

/// A bounded queue between goroutines. Thread-safe. It must outlive who waits in it. Once it is
/// made it needs no memory but its alarms': a goroutine that leaves can say so in any case.
template <typename T>
class chan {
public:
    class receiving;

    /// \param capacity how many values may be in it that nobody waits for
    explicit chan(std::size_t capacity) : values_(capacity) {}
    chan(const chan&) = delete;            ///< who waits in it points to it
    chan& operator=(const chan&) = delete; ///< the same

    /// Gives the value to who waits longest, or keeps it. From any thread.
    /// \return false if it is full. Go: select with a default
    bool try_send(T value) {
        std::unique_lock guard(mutex_);
        if (first_in_line_ == nullptr) {
            if (count_ == values_.size()) return false;
            values_[(first_ + count_++) % values_.size()].emplace(std::move(value));
            return true;
        }
        receiving& who = *first_in_line_;
        get_out_of_line(who);
        who.value_.emplace(std::move(value));
        const bool is_ours = who.take_from_alarm();
        guard.unlock();
        if (is_ours) ready(*who.who_);
        return true;
    }

    /// Awaited, waits for a value until the point in time `until`; time_point{} is never.
    /// \return the value, or nothing if it is too late. Go: <-c
    [[nodiscard]] receiving receive(time_point until = {}) { return receiving(*this, until); }

private:
    /// Locked: where the line points to `who`; for nobody, its end. Lines are short.
    receiving** link_to(const receiving* who) {
        receiving** link = &first_in_line_;
        while (*link != nullptr && *link != who) link = &(*link)->behind_;
        return link;
    }
    void get_out_of_line(receiving& who) {
        receiving** const link = link_to(&who);
        if (*link != nullptr) *link = who.behind_;
    }

    std::mutex mutex_;                     ///< protects what follows
    std::vector<std::optional<T>> values_; ///< a ring. Go: hchan.buf
    std::size_t first_ = 0;                ///< the oldest one's place. Go: recvx
    std::size_t count_ = 0;                ///< Go: qcount
    receiving* first_in_line_ = nullptr;   ///< Go: recvq
};

/// A sender or the alarm makes its goroutine ready, one of the two: a sender that comes while the
/// alarm is ringing leaves it to that. Go: sudog
template <typename T>
class chan<T>::receiving : waiter {
public:
    /// What receive() makes; it takes nothing before it is awaited.
    receiving(chan& from, time_point until)
        : waiter{&ring}, from_(from), until_(to_nanotime(until)), alarm_(*this) {}
    receiving(const receiving&) = delete;            ///< the line points to it
    receiving& operator=(const receiving&) = delete; ///< the same

    awaiting<receiving> operator co_await() && { return awaiting<receiving>(*this); } ///< receives
    static bool begin() noexcept { return false; } ///< only with the lock: in suspend()
    /// Takes a value that is there, or queues. \return true if it waits. Go: chanrecv
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
        // Before the lock is released: otherwise a sender could come and not find the alarm.
        if (until_ != 0) scheduler::current().poll().set_alarm(alarm_, until_);
        *from_.link_to(nullptr) = this;
        return true;
    }
    std::optional<T> result() { return std::move(value_); } ///< nothing: it is too late

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
            self.from_.get_out_of_line(self);
        }
        ready(*self.who_);
    }

    chan& from_;
    nanotime until_;
    alarm alarm_;
    goroutine* who_ = nullptr;
    receiving* behind_ = nullptr; ///< in line
    std::optional<T> value_;
};

} // namespace stage5
