#pragma once
/// \file
/// Coroutines: the goroutine of "协程调度" in the line echo's article. A task<T> is a coroutine
/// that another one awaits; go() starts one that runs by itself, like Go's statement.
///
/// A task that is awaited starts inside of the await. If it ends there, its awaiter simply
/// continues. If it ends later, its awaiter continues in the same turn: see goroutine::resume().
/// Nothing here recurses, however many awaits complete at once. (With C++'s symmetric transfer,
/// the stack would grow in builds without optimisation and with sanitizers: GCC bug 100897.)

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
    /// Lets the awaiter continue when the coroutine has ended. Go: goexit0
    static auto final_suspend() noexcept { return final_awaiter{}; }
    /// Keeps the exception for the awaiter; if nothing awaits the coroutine, writes it to the log.
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
    /// Continues the coroutine on the calling thread. If that ends it, continues its awaiter in the
    /// same turn, and so on: as in Go, returning from a function gives no other goroutine a turn.
    void resume() {
        goroutine* next = this;
        while (next != nullptr) {
            next->stop_waiting();
            next->frame().resume(); // which may destroy it
            next = std::exchange(ended_for(), nullptr);
        }
    }

protected:
    template <typename T>
    friend class task;
    friend void go(task<void> what);

    /// The goroutine that awaits this one; or ended(), once this one has ended; or nobody(), if
    /// go() started it. The awaiter, after it has started this one, and this one, when it ends,
    /// each change it once. The one that comes second makes the awaiter continue.
    std::atomic<goroutine*> awaited_by_ = nullptr;
    ///@{
    /// These are not the address of any goroutine.
    static goroutine* ended() noexcept { return reinterpret_cast<goroutine*>(1); }
    static goroutine* nobody() noexcept { return reinterpret_cast<goroutine*>(2); }
    ///@}

    /// What a coroutine does last.
    struct final_awaiter {
        static bool await_ready() noexcept { return false; } ///< finish() decides
        /// \return false if nothing awaits the coroutine: its frame is destroyed now
        template <std::derived_from<goroutine> Promise>
        static bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
            return self.promise().finish();
        }
        static void await_resume() noexcept {} ///< nothing comes after it
    };
    /// Tells resume() to continue the awaiter. \return true if the frame stays, for the awaiter
    bool finish() noexcept;
    /// The awaiter of the coroutine that has just ended on this thread: finish() leaves it there
    /// for resume(). Never inlined: see scheduler::this_worker().
    static goroutine*& ended_for() noexcept;
    /// The coroutine's turn, unless it has lent its turns to a call.
    static void go_on(runnable& who) { static_cast<goroutine&>(who).resume(); }
    /// The frame, of which this is the promise.
    std::coroutine_handle<> frame() {
        return std::coroutine_handle<goroutine>::from_promise(*this);
    }

    /// The call in which the coroutine waits; or, once it has ended, what it threw. A union,
    /// because every word counts in an idle connection.
    union {
        void* waits_in_;            ///< a call. \see wait_in
        std::exception_ptr thrown_; ///< if has_thrown()
    };
    /// True if it has ended by an exception: unhandled_exception() marks it so.
    bool has_thrown() const noexcept { return run == nullptr; }
};

/// What `co_await` makes of a call: the three functions that the compiler asks for. A call begins
/// and ends in the expression that awaits it, because only `operator co_await() &&` makes one. So
/// a call can't be kept in a variable and awaited later, when its arguments are gone.
/// \tparam Call has begin(), which tries: true if there is a result; suspend(goroutine&), which
/// waits: false if there is a result after all; and result()
template <typename Call>
class [[nodiscard]] awaiting {
public:
    explicit awaiting(Call& what) noexcept : call_(what) {} ///< \param what in the same expression
    bool await_ready() { return call_.begin(); }            ///< tries
    /// Waits.
    template <std::derived_from<goroutine> Promise>
    bool await_suspend(std::coroutine_handle<Promise> who) {
        return call_.suspend(who.promise());
    }
    decltype(auto) await_resume() { return call_.result(); } ///< what `co_await` evaluates to

private:
    Call& call_;
};

namespace detail {

/// The part of the frame that knows the result.
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

/// A coroutine that has not begun yet. `co_await` it where it is made, or give it to go().
/// Arguments of the coroutine are moved or copied into its frame: take them by value. An exception
/// that leaves the coroutine comes out of the await.
template <typename T = void>
class [[nodiscard]] task {
public:
    using promise_type = detail::promise<T>;            ///< where the compiler looks for it
    using handle = std::coroutine_handle<promise_type>; ///< its frame

    explicit task(handle frame) noexcept : frame_(frame) {} ///< called by the promise
    /// Takes over `other`'s coroutine and leaves it without one.
    task(task&& other) noexcept : frame_(std::exchange(other.frame_, {})) {}
    task& operator=(task&&) = delete; ///< a task is awaited where it is made, or moved to go()
    /// Frees the frame, which must have ended, or not have begun.
    ~task() {
        if (frame_) frame_.destroy();
    }

    awaiting<task> operator co_await() && noexcept { return awaiting<task>(*this); } ///< runs it
    static bool begin() noexcept { return false; } ///< suspend() starts it
    // [await]
    /// Starts it. \return true if it has not ended yet, so that the awaiter has to wait
    bool suspend(goroutine& awaiter) {
        goroutine& callee = frame_.promise();
        frame_.resume();
        goroutine* not_awaited = nullptr;
        return callee.awaited_by_.compare_exchange_strong(not_awaited, &awaiter);
    }
    // [await]
    /// \return what it has returned; throws what it has thrown
    T result() {
        auto& promise = frame_.promise();
        if (promise.has_thrown()) std::rethrow_exception(promise.thrown_);
        return promise.take();
    }

private:
    friend void go(task<void> what);
    handle frame_;
};

/// Runs a task by itself, soon and on any worker. An exception that leaves it ends it and is
/// written to the log; nothing else ends. Go: the go statement.
void go(task<void> what);

template <typename T>
task<T> detail::promise<T>::get_return_object() {
    // goroutine::frame() finds the frame by the place of the promise in it.
    static_assert(alignof(promise) <= 2 * sizeof(void*));
    return task<T>(std::coroutine_handle<promise>::from_promise(*this));
}

inline task<void> detail::promise<void>::get_return_object() {
    return task<void>(std::coroutine_handle<promise>::from_promise(*this));
}

} // namespace stage5
