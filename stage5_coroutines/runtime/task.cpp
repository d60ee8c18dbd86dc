/// \file
/// How a coroutine starts to run by itself, how it ends, and what happens to its exceptions.

#include "task.hpp"

#include <cstdio>
#include <exception>
#include <memory>
#include <utility>

namespace stage5 {

void go(task<void> what) {
    auto& promise = std::exchange(what.frame_, {}).promise();
    promise.awaited_by_ = goroutine::nobody();
    ready(promise);
}

bool goroutine::finish() noexcept {
    // After this exchange the awaiting coroutine may destroy this one.
    goroutine* const awaiter = awaited_by_.exchange(ended());
    if (awaiter == nobody()) return false;
    next_to_resume() = awaiter;
    return true;
}

[[gnu::noinline]] goroutine*& goroutine::next_to_resume() noexcept {
    static thread_local goroutine* awaiter = nullptr;
    return awaiter;
}

void goroutine::unhandled_exception() noexcept {
    if (awaited_by_ != nobody()) {
        std::construct_at(&thrown_, std::current_exception());
        run = nullptr; // so that has_thrown() is true
        return;
    }
    try {
        throw;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "a task ended: %s\n", error.what());
    } catch (...) {
        std::fputs("a task ended by an exception\n", stderr);
    }
}

} // namespace stage5
