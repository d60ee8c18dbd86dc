#pragma once
/// \file
/// Coroutines: the goroutine of "协程调度" in the line echo's article. A task<T> is a coroutine
/// that another one awaits; go() starts one that runs by itself, like Go's statement.
///
/// What the compiler makes of a coroutine, beside Go:
///
///     C++                          what it does                             Go
///     frame                        keeps what lives across an await         the stack
///     promise, inside the frame    identifies it: here class goroutine      g
///     await_suspend()              runs when the coroutine has suspended    gopark
///     coroutine_handle::resume()   continues it on the calling thread       gogo
///
/// A task that is awaited starts inside the await. If it ends there, the awaiting coroutine just
/// continues. If it ends later, goroutine::resume() continues the awaiting coroutine, in a loop
/// and not by a nested call. Otherwise the stack would grow with each await that completes. (C++
/// offers symmetric transfer for this, but without optimisation and with sanitizers the stack still
/// grows: GCC bug 100897.)

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

/// The part of a coroutine's frame that is the same for every type of result. The state words of
/// poll_descs and the run queues point to it. Go: runtime.g.
class goroutine : public runnable {
public:
    goroutine() : runnable(&resume_coroutine), call_(nullptr) {} ///< made with its frame. Go: malg
    /// Runs when the frame is destroyed. Destroys the exception, if the coroutine has thrown one.
    ~goroutine() {
        if (has_thrown()) std::destroy_at(&thrown_);
    }
    goroutine(const goroutine&) = delete;            ///< its address identifies the frame
    goroutine& operator=(const goroutine&) = delete; ///< for the same reason

    /// Suspends the new coroutine before its body: an await or a worker starts the body.
    static std::suspend_always initial_suspend() noexcept { return {}; }
    /// Makes the awaiting coroutine continue when the body has ended. Go: goexit0
    static auto final_suspend() noexcept { return final_awaiter{}; }
    /// Keeps the exception for the awaiting coroutine. If go() started this one, logs the
    /// exception.
    void unhandled_exception() noexcept;

    /// Allocates the frame.
    static void* operator new(std::size_t size) { return frame_cache::allocate(size); }
    /// Frees the frame.
    static void operator delete(void* frame, std::size_t size) {
        frame_cache::release(frame, size);
    }

    /// Makes workers call `on_wake` in place of resuming this coroutine, until `on_wake` calls
    /// resume(). So a call can be repeated and wait again while the coroutine stays suspended.
    /// \param call in which the coroutine waits; `on_wake` gets it from call()
    template <typename Call>
    void wait_in(Call& call, void (*on_wake)(runnable&)) noexcept {
        call_ = &call;
        run = on_wake;
    }
    /// Returns the call that was given to wait_in(). \tparam Call its type there
    template <typename Call>
    [[nodiscard]] Call& call() const noexcept {
        return *static_cast<Call*>(call_);
    }
    /// Undoes wait_in(), for a call that has its result without waiting.
    void stop_waiting() noexcept { run = &resume_coroutine; }
    /// Continues the coroutine on the calling thread. If that ends the coroutine, continues the one
    /// that awaits it, and so on. As in Go, returning from a function does not yield.
    void resume() {
        goroutine* next = this;
        while (next != nullptr) {
            next->stop_waiting();
            next->frame().resume(); // may destroy `next`
            next = std::exchange(next_to_resume(), nullptr);
        }
    }

protected:
    template <typename T>
    friend class task;
    friend void go(task<void> what);

    /// At first nullptr; then the coroutine that awaits this one; ended() once this one has ended;
    /// nobody() if go() started it. The awaiting coroutine starts this one and then stores its
    /// address, unless it finds ended(). This one, when it ends, stores ended(). Whichever of them
    /// comes second sees the other's value and makes the awaiting coroutine continue.
    std::atomic<goroutine*> awaited_by_ = nullptr;
    ///@{
    /// Values that are no coroutine's address.
    static goroutine* ended() noexcept { return reinterpret_cast<goroutine*>(1); }
    static goroutine* nobody() noexcept { return reinterpret_cast<goroutine*>(2); }
    ///@}

    /// The await that the compiler adds at the end of a coroutine.
    struct final_awaiter {
        static bool await_ready() noexcept { return false; } ///< await_suspend() decides
        /// \return true if the frame stays, for the awaiting coroutine; false if the compiler is to
        /// destroy it, because go() started the coroutine
        template <std::derived_from<goroutine> Promise>
        static bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
            return self.promise().finish();
        }
        static void await_resume() noexcept {} ///< has no result
    };
    /// Tells resume() which coroutine to continue.
    /// \return true if the frame stays, for the awaiting coroutine; false if go() started this one
    bool finish() noexcept;
    /// The coroutine that resume() continues next on this thread: finish() stores it here. Never
    /// inlined, see scheduler::this_worker().
    static goroutine*& next_to_resume() noexcept;
    /// Resumes the coroutine: the value of `run`, unless wait_in() has set another.
    static void resume_coroutine(runnable& who) { static_cast<goroutine&>(who).resume(); }
    /// Returns the frame whose promise this is.
    std::coroutine_handle<> frame() {
        return std::coroutine_handle<goroutine>::from_promise(*this);
    }

    /// The call in which the coroutine waits or, once the coroutine has ended, the exception that
    /// it has thrown. A union, to keep an idle connection small.
    union {
        void* call_;                ///< a call. \see wait_in
        std::exception_ptr thrown_; ///< only if has_thrown()
    };
    /// True if an exception has ended the coroutine: unhandled_exception() sets `run` to nullptr.
    bool has_thrown() const noexcept { return run == nullptr; }
};

/// Adapts a call to `co_await`: has the three functions that the compiler calls. It is made by
/// `operator co_await() &&` alone, so `co_await` of a variable does not compile. A call that is
/// kept in a variable could outlive its arguments.
/// \tparam Call has begin(), which tries once and returns true if there is a result;
/// suspend(goroutine&), which waits, or returns false if there is a result after all; and result()
template <typename Call>
class [[nodiscard]] awaiting {
public:
    explicit awaiting(Call& what) noexcept : call_(what) {} ///< \param what in the same expression
    bool await_ready() { return call_.begin(); }            ///< tries once
    /// Waits. \return false if there is a result after all, and the coroutine must not suspend
    template <std::derived_from<goroutine> Promise>
    bool await_suspend(std::coroutine_handle<Promise> who) {
        return call_.suspend(who.promise());
    }
    decltype(auto) await_resume() { return call_.result(); } ///< gives `co_await` its value

private:
    Call& call_;
};

namespace detail {

/// The promise: what a frame holds for a coroutine with a result of type T.
template <typename T>
struct promise : goroutine {
    std::optional<T> value;      ///< set by `co_return`
    task<T> get_return_object(); ///< makes what a call of the coroutine returns
    /// Stores the operand of `co_return`.
    template <typename U = T>
    void return_value(U&& result) {
        value.emplace(std::forward<U>(result));
    }
    /// Moves the result out. Requires that the coroutine has ended, and not by an exception.
    T take() { return std::move(*value); } // NOLINT(bugprone-unchecked-optional-access)
};

/// The promise of a coroutine without a result.
template <>
struct promise<void> : goroutine {
    task<void> get_return_object(); ///< makes what a call of the coroutine returns
    void return_void() noexcept {}  ///< does what `co_return` needs
    void take() noexcept {}         ///< has no result
};

} // namespace detail

/// A coroutine that has not started yet. `co_await` it where it is made, or give it to go().
/// Let the coroutine take its parameters by value: they are kept in its frame, where a reference
/// could dangle. An exception that leaves the coroutine is thrown by the await.
template <typename T = void>
class [[nodiscard]] task {
public:
    using promise_type = detail::promise<T>;            ///< the name that the compiler looks for
    using handle = std::coroutine_handle<promise_type>; ///< refers to the frame

    explicit task(handle frame) noexcept : frame_(frame) {} ///< called by the promise
    /// Takes over `other`'s coroutine and leaves it without one.
    task(task&& other) noexcept : frame_(std::exchange(other.frame_, {})) {}
    task& operator=(task&&) = delete; ///< a task is awaited where it is made, or moved to go()
    /// Destroys the frame. The coroutine must have ended, or not have started.
    ~task() {
        if (frame_) frame_.destroy();
    }

    awaiting<task> operator co_await() && noexcept { return awaiting<task>(*this); } ///< runs it
    static bool begin() noexcept { return false; } ///< suspend() starts the coroutine
    // [await]
    /// Starts the coroutine. \return true if it has not ended yet, and `awaiter` has to wait
    bool suspend(goroutine& awaiter) {
        goroutine& callee = frame_.promise();
        frame_.resume();
        goroutine* not_awaited = nullptr;
        return callee.awaited_by_.compare_exchange_strong(not_awaited, &awaiter);
    }
    // [await]
    /// \return what the coroutine has returned; throws what it has thrown
    T result() {
        auto& promise = frame_.promise();
        if (promise.has_thrown()) std::rethrow_exception(promise.thrown_);
        return promise.take();
    }

private:
    friend void go(task<void> what);
    handle frame_;
};

/// Starts a coroutine that runs by itself, soon and on any worker. An exception that leaves the
/// coroutine is logged, and ends nothing else. Go: the go statement.
void go(task<void> what);

template <typename T>
task<T> detail::promise<T>::get_return_object() {
    // goroutine::frame() knows where the frame is only for promises of this alignment.
    static_assert(alignof(promise) <= 2 * sizeof(void*));
    return task<T>(std::coroutine_handle<promise>::from_promise(*this));
}

inline task<void> detail::promise<void>::get_return_object() {
    return task<void>(std::coroutine_handle<promise>::from_promise(*this));
}

} // namespace stage5
