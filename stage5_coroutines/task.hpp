#pragma once
/// \file
/// Coroutines: the goroutine of "协程调度" in the line echo's article. task<T> is one that somebody
/// awaits; go() lets one run by itself, like Go's statement.
///
/// Nothing here recurses, however many awaits complete at once: a task that is awaited starts
/// inside the await, and if it ends there the awaiting one simply goes on; if it ends later, the
/// awaiting one gets a turn from the scheduler. (Symmetric transfer would do without that turn,
/// but is a tail call only in optimised builds without sanitizers: GCC bug 100897.)

#include "frame_cache.hpp"
#include "runnable.hpp"

#include <atomic>
#include <concepts>
#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

namespace stage5 {

template <typename T>
class task;

/// What every coroutine's frame has, whatever its result: what the poller's words point to and the
/// scheduler gives turns to. Go: runtime.g.
class goroutine : public runnable {
public:
    goroutine() : runnable(&go_on), waits_in_(nullptr) {} ///< made with its frame. Go: malg
    /// Goes with its frame, and what it has thrown with it.
    ~goroutine() {
        if (has_thrown()) std::destroy_at(&thrown_);
    }
    goroutine(const goroutine&) = delete;            ///< it is at a place in its frame
    goroutine& operator=(const goroutine&) = delete; ///< the same

    /// It begins when it is awaited, or when go() has given it a turn.
    static std::suspend_always initial_suspend() noexcept { return {}; }
    /// At its end it tells who awaits it. Go: goexit0
    static auto final_suspend() noexcept { return final_awaiter{}; }
    /// Keeps the exception for who awaits it; what nobody awaits ends with a line in the log.
    void unhandled_exception() noexcept;

    /// Memory of its frame: frame_cache's.
    static void* operator new(std::size_t size) { return frame_cache::allocate(size); }
    /// The same, given back.
    static void operator delete(void* frame, std::size_t size) {
        frame_cache::release(frame, size);
    }

    /// Suspended, it lends its turns to the call that it waits in: `turn` may try again, and wait
    /// again, without waking the coroutine for it. Until `turn` calls resume().
    template <typename Call>
    void wait_in(Call& call, void (*turn)(runnable&)) noexcept {
        waits_in_ = &call;
        run = turn;
    }
    /// For `turn`: whose goroutine that is. \tparam Call what it was said to wait in
    template <typename Call>
    [[nodiscard]] Call& call() const noexcept {
        return *static_cast<Call*>(waits_in_);
    }
    /// The opposite of wait_in(), for a call that need not wait after all.
    void stop_waiting() noexcept { run = &go_on; }
    /// Lets the coroutine go on, here and now.
    void resume() {
        stop_waiting();
        frame_.resume();
    }

protected:
    template <typename T>
    friend class task;
    friend void go(task<void> what);

    /// Where who awaits it will be found, or one of the two words below. Both come here once: the
    /// task at its end, and who awaits it after having started it. The second makes the awaiting
    /// one go on.
    std::atomic<goroutine*> awaited_by_ = nullptr;
    ///@{
    /// No goroutine's address: the task has ended; nobody awaits it, because go() has begun it.
    static goroutine* ended() noexcept { return reinterpret_cast<goroutine*>(1); }
    static goroutine* nobody() noexcept { return reinterpret_cast<goroutine*>(2); }
    ///@}

    /// What a coroutine does last.
    struct final_awaiter {
        static bool await_ready() noexcept { return false; } ///< finish() decides
        /// \return false: nobody awaits it, and its frame goes now
        template <std::derived_from<goroutine> Promise>
        static bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
            return self.promise().finish();
        }
        static void await_resume() noexcept {} ///< nothing comes after it
    };
    /// Makes ready who awaits it. \return whether the frame stays, for them
    bool finish() noexcept;
    /// Its turn, unless it has lent it to a call.
    static void go_on(runnable& who) { static_cast<goroutine&>(who).resume(); }

    std::coroutine_handle<> frame_; ///< its own
    /// Where it waits, and once it has ended what it threw: never both, and idle connections count
    /// every word of it.
    union {
        void* waits_in_;            ///< a call. \see wait_in
        std::exception_ptr thrown_; ///< if has_thrown()
    };
    bool has_thrown() const noexcept { return run == nullptr; } ///< who has ended has no turns
};

namespace detail {

/// The frame's part that knows the result.
template <typename T>
struct promise : goroutine {
    std::optional<T> value;      ///< once it has ended, and not by throwing
    task<T> get_return_object(); ///< what calling the coroutine gives
    /// co_return
    template <typename U = T>
    void return_value(U&& result) {
        value.emplace(std::forward<U>(result));
    }
    /// To be called where it has ended, and not by throwing: then there is one.
    T take() { return std::move(*value); } // NOLINT(bugprone-unchecked-optional-access)
};

/// The same without one.
template <>
struct promise<void> : goroutine {
    task<void> get_return_object(); ///< what calling the coroutine gives
    void return_void() noexcept {}  ///< co_return
    void take() noexcept {}         ///< there is nothing
};

} // namespace detail

/// A coroutine that has not begun yet. `co_await` it once, or give it to go(). Arguments of the
/// coroutine are copied into its frame: take them by value. An exception that leaves it comes out
/// of the await.
template <typename T = void>
class [[nodiscard]] task {
public:
    using promise_type = detail::promise<T>;            ///< where the compiler looks for it
    using handle = std::coroutine_handle<promise_type>; ///< its frame

    explicit task(handle frame) noexcept : frame_(frame) {} ///< the promise's to call
    /// \param other is of no coroutine any more
    task(task&& other) noexcept : frame_(std::exchange(other.frame_, {})) {}
    task& operator=(task&&) = delete; ///< it is awaited where it was made, or moved to go()
    /// Frees the frame. It must have ended, or not have begun.
    ~task() {
        if (frame_) frame_.destroy();
    }

    static bool await_ready() noexcept { return false; } ///< it has yet to begin
    // [await]
    /// Lets it begin. \return whether it has to be waited for
    template <std::derived_from<goroutine> Promise>
    bool await_suspend(std::coroutine_handle<Promise> awaiting) {
        goroutine& callee = frame_.promise();
        frame_.resume();
        goroutine* nobody_yet = nullptr; // in the place of whom it makes ready at its end
        return callee.awaited_by_.compare_exchange_strong(nobody_yet, &awaiting.promise());
    }
    // [await]
    /// What it has returned; or throws what it has thrown.
    T await_resume() {
        auto& promise = frame_.promise();
        if (promise.has_thrown()) std::rethrow_exception(promise.thrown_);
        return promise.take();
    }

private:
    friend void go(task<void> what);
    handle frame_;
};

/// Lets a task run by itself, soon and on any worker. An exception that leaves it is reported on
/// standard error and ends it, and nothing else. Go: the go statement.
void go(task<void> what);

template <typename T>
task<T> detail::promise<T>::get_return_object() {
    const auto frame = std::coroutine_handle<promise>::from_promise(*this);
    frame_ = frame;
    return task<T>(frame);
}

inline task<void> detail::promise<void>::get_return_object() {
    const auto frame = std::coroutine_handle<promise>::from_promise(*this);
    frame_ = frame;
    return task<void>(frame);
}

} // namespace stage5
