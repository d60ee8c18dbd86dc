/// \file
/// How a coroutine starts to run by itself, how it ends, and what happens to its exceptions.

#include "task.hpp"

#include "log.hpp"
#include "scheduler.hpp"

#include <exception>
#include <memory>
#include <utility>

namespace stage5 {

void runnable::ready(waiter& w) {
    stage5::ready(static_cast<runnable&>(w));
}

void ready(runnable& who) {
    scheduler::current().ready(who);
}

void go(task<void> what) {
    auto& promise = std::exchange(what.frame_, {}).promise();
    promise.awaited_by_ = goroutine::nobody();
    ready(promise);
}

bool goroutine::finish() noexcept {
    // After this exchange the awaiting coroutine may destroy this one.
    goroutine* const awaiter = awaited_by_.exchange(ended());
    if (awaiter == nobody()) return false;
    ended_for() = awaiter;
    return true;
}

[[gnu::noinline]] goroutine*& goroutine::ended_for() noexcept {
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
        log("a task ended: {}", error.what());
    } catch (...) {
        log("a task ended by an exception");
    }
}

} // namespace stage5
