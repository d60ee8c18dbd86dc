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
    goroutine() : runnable(&go_on), waits_in_(nullptr) {}
    ~goroutine() {
        if (has_thrown()) std::destroy_at(&thrown_);
    }
    goroutine(const goroutine&) = delete;
    goroutine& operator=(const goroutine&) = delete;

    static std::suspend_always initial_suspend() noexcept { return {}; }
    static auto final_suspend() noexcept { return final_awaiter{}; }
    void unhandled_exception() noexcept;

    static void* operator new(std::size_t size) { return frame_cache::allocate(size); }
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
    static goroutine* ended() noexcept { return reinterpret_cast<goroutine*>(1); }
    static goroutine* nobody() noexcept { return reinterpret_cast<goroutine*>(2); }

    struct final_awaiter {
        static bool await_ready() noexcept { return false; }
        template <std::derived_from<goroutine> Promise>
        static bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
            return self.promise().finish();
        }
        static void await_resume() noexcept {}
    };
    bool finish() noexcept;
    static void go_on(runnable& who) { static_cast<goroutine&>(who).resume(); }

    std::coroutine_handle<> frame_;
    /// Where it waits, and once it has ended what it threw: never both, and idle connections count
    /// every word of it.
    union {
        void* waits_in_;
        std::exception_ptr thrown_;
    };
    bool has_thrown() const noexcept { return run == nullptr; }
};

namespace detail {

template <typename T>
struct promise : goroutine {
    std::optional<T> value;
    task<T> get_return_object();
    template <typename U = T>
    void return_value(U&& result) {
        value.emplace(std::forward<U>(result));
    }
    /// To be called where it has ended, and not by throwing: then there is one.
    T take() { return std::move(*value); } // NOLINT(bugprone-unchecked-optional-access)
};

template <>
struct promise<void> : goroutine {
    task<void> get_return_object();
    void return_void() noexcept {}
    void take() noexcept {}
};

} // namespace detail

/// A coroutine that has not begun yet. `co_await` it once, or give it to go(). Arguments of the
/// coroutine are copied into its frame: take them by value. An exception that leaves it comes out
/// of the await.
template <typename T = void>
class [[nodiscard]] task {
public:
    using promise_type = detail::promise<T>;
    using handle = std::coroutine_handle<promise_type>;

    explicit task(handle frame) noexcept : frame_(frame) {}
    task(task&& other) noexcept : frame_(std::exchange(other.frame_, {})) {}
    task& operator=(task&&) = delete;
    ~task() {
        if (frame_) frame_.destroy();
    }

    static bool await_ready() noexcept { return false; }
    // [await]
    template <std::derived_from<goroutine> Promise>
    bool await_suspend(std::coroutine_handle<Promise> awaiting) {
        goroutine& callee = frame_.promise();
        frame_.resume();
        goroutine* nobody_yet = nullptr; // in the place of whom it makes ready at its end
        return callee.awaited_by_.compare_exchange_strong(nobody_yet, &awaiting.promise());
    }
    // [await]
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
