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
#include "log.hpp"
#include "runnable.hpp"

#include <atomic>
#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace stage5 {

template <typename T>
class task;

/// What every coroutine's frame has, whatever its result.
class promise_base : public runnable {
public:
    promise_base() : runnable(&resume) {}

    std::suspend_always initial_suspend() noexcept { return {}; }
    auto final_suspend() noexcept { return final_awaiter{*this}; }
    void unhandled_exception() noexcept;

    static void* operator new(std::size_t size) { return frame_cache::allocate(size); }
    static void operator delete(void* frame, std::size_t size) {
        frame_cache::release(frame, size);
    }

protected:
    template <typename T>
    friend class task;
    friend void go(task<void> what);

    /// A task that nobody awaits falls off its end and takes its frame with it.
    struct final_awaiter {
        promise_base& self;
        bool await_ready() const noexcept { return self.detached_; }
        void await_suspend(std::coroutine_handle<>) const noexcept {
            auto* const whom = self.awaiting_;
            // From here on the frame may be gone, if the awaiting one was not yet suspended.
            if (self.met_.exchange(true)) stage5::ready(*whom);
        }
        void await_resume() const noexcept {}
    };

    static void resume(runnable& who);

    std::coroutine_handle<> self_;
    promise_base* awaiting_ = nullptr;
    std::exception_ptr thrown_;
    /// Two come here once: the task at its end, and who awaits it after having started it. The
    /// second one makes the awaiting one go on.
    std::atomic<bool> met_ = false;
    bool detached_ = false;
};

namespace detail {

template <typename T>
struct promise : promise_base {
    std::optional<T> value;
    task<T> get_return_object();
    template <typename U>
    void return_value(U&& result) {
        value.emplace(std::forward<U>(result));
    }
    T take() { return std::move(*value); }
};

template <>
struct promise<void> : promise_base {
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

    bool await_ready() const noexcept { return false; }
    template <typename Promise>
    bool await_suspend(std::coroutine_handle<Promise> awaiting) {
        auto& promise = frame_.promise();
        promise.awaiting_ = &awaiting.promise();
        frame_.resume();
        return !promise.met_.exchange(true); // true: it is still on its way
    }
    T await_resume() {
        auto& promise = frame_.promise();
        if (promise.thrown_) std::rethrow_exception(promise.thrown_);
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
    self_ = frame;
    return task<T>(frame);
}

inline task<void> detail::promise<void>::get_return_object() {
    const auto frame = std::coroutine_handle<promise>::from_promise(*this);
    self_ = frame;
    return task<void>(frame);
}

} // namespace stage5
