#pragma once
/// \file
/// Waits until goroutines have ended. Go: sync.WaitGroup.

#include "chan.hpp"
#include "task.hpp"
#include "time.hpp"

#include <mutex>

namespace stage5 {

/// Counts the goroutines that have not ended, and lets one goroutine wait until none is left.
/// Thread-safe. After wait() has returned true, it may be destroyed.
class wait_group {
public:
    /// Counts `count` more goroutines. To be called before they start. Go: WaitGroup.Add
    void add(std::size_t count = 1) {
        const std::lock_guard lock(mutex_);
        left_ += count;
    }
    /// Counts one goroutine less. Go: WaitGroup.Done
    void done() {
        const std::lock_guard lock(mutex_); // until the end: after wait() this may be destroyed
        if (--left_ == 0) none_left_.try_send(0);
    }
    /// Returns how many goroutines have not ended.
    [[nodiscard]] std::size_t count() {
        const std::lock_guard lock(mutex_);
        return left_;
    }
    /// Waits until none is left, or until the point in time `until`; time_point{} is no limit. For
    /// one goroutine at a time. \return false if it is too late. Go: WaitGroup.Wait
    task<bool> wait(time_point until = {}) {
        while (count() != 0) {
            // g++ 12 does not start a coroutine without variables that awaits in a condition.
            const auto none = co_await none_left_.receive(until);
            if (!none) co_return count() == 0;
        }
        co_return true;
    }

private:
    std::mutex mutex_; ///< protects left_
    std::size_t left_ = 0;
    chan<char> none_left_{1};
};

/// Calls done() when it is destroyed, however its coroutine ends. Go: defer wg.Done()
class deferred_done {
public:
    explicit deferred_done(wait_group& of) : of_(of) {} ///< \param of has counted the coroutine
    deferred_done(const deferred_done&) = delete;
    deferred_done& operator=(const deferred_done&) = delete;
    ~deferred_done() { of_.done(); }

private:
    wait_group& of_;
};

} // namespace stage5
