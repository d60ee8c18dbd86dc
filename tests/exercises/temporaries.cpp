/// \file
/// For exercise 5.2: four awaits, each with something that counts how often it is destroyed. Prints
/// the four counts. None of it is the project's own; a compiler is all it needs.

#include <coroutine>
#include <cstdio>
#include <exception>
#include <initializer_list>

namespace {

int made = 0;
int destroyed = 0;

/// Part of what is looked at: counts what happens to it.
struct counted {
    counted() { ++made; }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    ~counted() { ++destroyed; }
};

/// A coroutine that begins at once and that nobody waits for.
struct started {
    struct promise_type {
        static started get_return_object() { return {}; }
        static std::suspend_never initial_suspend() noexcept { return {}; }
        static std::suspend_never final_suspend() noexcept { return {}; }
        static void return_void() noexcept {}
        static void unhandled_exception() { std::terminate(); }
    };
};

/// Something to be awaited.
struct call {
    counted part;
    static bool await_ready() noexcept { return true; }
    static void await_suspend(std::coroutine_handle<>) noexcept {}
    static void await_resume() noexcept {}
};

/// Something that a call is made from.
struct argument {
    counted part;
};

call make() {
    return {};
}

std::suspend_never make_from(const argument&) {
    return {};
}

started named() {
    auto it = make();
    co_await it;
}

started returned() {
    co_await make();
}

started in_place() {
    co_await call{};
}

started passed() {
    co_await make_from(argument{});
}

} // namespace

int main() {
    for (started (*const each)() : {named, returned, in_place, passed}) {
        destroyed = 0;
        each();
        std::printf("%d ", destroyed);
    }
    std::puts("");
}
