/// \file
/// The smallest coroutine that parks and is woken: for the page "C++ coroutines for those who know
/// Go". coroutine_by_hand.cpp does the same without the compiler's help, and prints the same lines.

#include <coroutine>
#include <cstdio>
#include <exception>
#include <utility>

namespace {

// [example]
std::coroutine_handle<> rg; // the parked coroutine
bool event_came = false;    // an event that no coroutine waited for

struct readable { // what is awaited
    int fd;
    bool await_ready() const { // try: is there a result at once?
        std::printf("fd %d: try: EAGAIN\n", fd);
        return false;
    }
    bool await_suspend(std::coroutine_handle<> self) const { // the coroutine is suspended: park it
        if (std::exchange(event_came, false)) return false;  // not parked: continue at once
        rg = self;
        return true;
    }
    int await_resume() const { return 6; } // the value of the co_await expression
};

struct task { // what a call of the coroutine returns: nothing that is needed here
    struct promise_type {
        task get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; } // run at once
        std::suspend_never final_suspend() noexcept { return {}; }   // free the frame at the end
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };
};

task handle(int fd) {
    const int n = co_await readable{fd};
    std::printf("fd %d: %d bytes\n", fd, n);
}
// [example]

} // namespace

// [main]
int main() {
    handle(7);
    std::puts("main: fd 7 is parked");
    rg.resume(); // the event
    event_came = true;
    handle(8); // does not park
}
// [main]
