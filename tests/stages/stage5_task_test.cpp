/// \file
/// Coroutines and the threads that run them: each runs once, nothing recurses, an exception stays
/// where it is, who waits costs nothing.

#include "stage5_coroutines/runtime/chan.hpp"
#include "stages/stage5_tools.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using stage5::go;
using stage5::sleep_for;
using stage5::task;
using stage5::yield;
using stage5_tools::world;

namespace {

task<> wait_for(const std::atomic<int>& count, int wanted) {
    while (count != wanted) co_await sleep_for(1ms);
}

task<> count_one(std::atomic<int>& count) {
    ++count;
    co_return;
}

/// How far the stack grew between two looks.
class stack_use {
public:
    [[gnu::noinline]] void look() {
        const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
        lowest_ = std::min(lowest_, here);
        highest_ = std::max(highest_, here);
    }
    [[nodiscard]] std::uintptr_t deepest() const { return highest_ - lowest_; }

private:
    std::uintptr_t lowest_ = UINTPTR_MAX, highest_ = 0;
};

task<int> twice_at(int n, stack_use& stack) {
    stack.look();
    co_return 2 * n;
}

task<int> later(int n) {
    co_await yield();
    co_return n;
}

task<int> fails() {
    co_await yield();
    throw std::runtime_error("on purpose");
}

/// A layer of tasks that returns what its callee has.
task<std::string> ask(std::vector<std::string>& order, int layers) {
    if (layers == 0) {
        co_await yield(); // others are ready now
        order.emplace_back("callee");
        co_return "answer";
    }
    auto answer = co_await ask(order, layers - 1);
    co_return answer;
}

task<> say(std::vector<std::string>& order, std::string what) {
    order.push_back(std::move(what));
    co_return;
}

/// True if a call can be kept in a variable and awaited later.
template <typename Call>
concept awaited_by_name = requires(Call& call) {
    call.operator co_await();
}
|| requires(Call& call) {
    call.await_ready();
};
template <typename Call>
concept awaited_where_made = requires(Call&& call) {
    std::move(call).operator co_await();
};

template <typename... Calls>
constexpr bool are_awaited_where_made = ((awaited_where_made<Calls> &&
                                          !awaited_by_name<Calls>)&&...);

} // namespace

TEST_CASE("stage5: calls and tasks are awaited in the expression that makes them") {
    using namespace stage5;
    STATIC_REQUIRE(
        are_awaited_where_made<net::net_call<read_call>, net::net_call<borrowing_read_call>,
                               net::net_call<write_call>, net::net_call<accept_call>,
                               net::net_call<close_call>, writable_call>);
    STATIC_REQUIRE(
        are_awaited_where_made<task<>, task<int>, chan<int>::receiving, sleeping, yielding>);
}

TEST_CASE("stage5: a task that ends hands over to its awaiter, and no other comes between") {
    std::vector<std::string> order;
    const auto asks = [](std::vector<std::string>& all) -> task<> {
        go(say(all, "another"));
        static_cast<void>(co_await ask(all, 5));
        all.emplace_back("awaiter");
        go(say(all, "the last"));
        co_await sleep_for(1ms);
    };
    world w(1);
    w.go(asks(order));
    w.run();
    CHECK(order == std::vector<std::string>{"another", "callee", "awaiter", "the last"});
}

TEST_CASE("stage5: every task runs once, on one thread and on four") {
    for (const unsigned threads : {1U, 2U, 4U}) {
        world w(threads);
        std::atomic<int> count = 0;
        const auto spawn = [](std::atomic<int>& counter) -> task<> {
            for (int i = 0; i < 10'000; ++i) go(count_one(counter));
            co_return;
        };
        for (int i = 0; i < 4; ++i) go(spawn(count));
        w.go(wait_for(count, 40'000));
        w.run();
        CHECK(count == 40'000);
    }
}

TEST_CASE("stage5: a million awaits that complete at once need no stack") {
    world w(1); // this file is compiled without optimisation: no tail calls
    std::int64_t sum = 0;
    stack_use stack;
    const auto add = [](std::int64_t& into, stack_use& depth) -> task<> {
        for (int i = 0; i < 1'000'000; ++i) into += co_await twice_at(i, depth);
    };
    w.go(add(sum, stack));
    w.run();
    CHECK(sum == 999'999'000'000);
    CHECK(stack.deepest() == 0); // all of them ran at the same depth
}

TEST_CASE("stage5: neither do awaits that complete later, and tasks that are started") {
    world w(1);
    std::atomic<int> done = 0;
    stack_use stack;
    const auto add = [](std::atomic<int>& count, stack_use& depth) -> task<> {
        for (int i = 0; i < 100'000; ++i) {
            co_await yield();
            count += co_await later(1);
            depth.look();
        }
    };
    w.go(add(done, stack));
    w.run();
    CHECK(done == 100'000);
    CHECK(stack.deepest() < 4096);
}

TEST_CASE("stage5: a task that ends later lets go on who awaits it, whatever thread it ends on") {
    world w(4);
    std::atomic<int> done = 0;
    const auto add = [](std::atomic<int>& counter) -> task<> {
        int sum = 0;
        for (int i = 0; i < 1000; ++i) sum += co_await later(1);
        if (sum == 1000) ++counter;
    };
    for (int i = 0; i < 20; ++i) go(add(done));
    w.go(wait_for(done, 20));
    w.run();
    CHECK(done == 20);
}

TEST_CASE("stage5: an exception comes out of the await, and ends nobody else") {
    world w(2);
    std::atomic<int> done = 0;
    const auto catches = [](std::atomic<int>& counter) -> task<> {
        try {
            static_cast<void>(co_await fails());
        } catch (const std::runtime_error& error) {
            if (error.what() == std::string("on purpose")) ++counter;
        }
    };
    const auto does_not = [](std::shared_ptr<int>) -> task<> {
        static_cast<void>(co_await fails());
    };
    const auto until_gone = [](std::weak_ptr<int> whom) -> task<> {
        while (!whom.expired()) co_await sleep_for(1ms);
    };
    auto its_argument = std::make_shared<int>();
    w.go(catches(done));
    w.go(until_gone(its_argument));
    go(does_not(std::move(its_argument))); // reported on standard error
    w.go(catches(done));
    w.run();
    CHECK(done == 2);
}

TEST_CASE("stage5: arguments live as long as the task, the caller's variables need not") {
    world w(2);
    std::atomic<int> done = 0;
    const auto keeps = [](std::string text, std::atomic<int>& counter) -> task<> {
        co_await sleep_for(2ms);
        if (text == std::string(100, 'x')) ++counter;
    };
    for (int i = 0; i < 10; ++i) {
        const std::string text(100, 'x');
        go(keeps(text, done));
    }
    w.go(wait_for(done, 10));
    w.run();
    CHECK(done == 10);
}

TEST_CASE("stage5: nobody sleeps less than asked for") {
    world w(2);
    std::atomic<int> done = 0, early = 0;
    const auto sleeps = [](std::chrono::milliseconds span, std::atomic<int>& counter,
                           std::atomic<int>& too_early) -> task<> {
        const auto before = std::chrono::steady_clock::now();
        co_await sleep_for(span);
        if (std::chrono::steady_clock::now() - before < span) ++too_early;
        ++counter;
    };
    for (int i = 0; i < 50; ++i) go(sleeps(std::chrono::milliseconds(i), done, early));
    w.go(wait_for(done, 50));
    w.run();
    CHECK(early == 0);
}

TEST_CASE("stage5: a task that never waits does not keep the poller from waking others") {
    world w(1);
    std::atomic<int> done = 0;
    const auto greedy = [](const std::atomic<int>& counter) -> task<> {
        while (counter == 0) co_await yield();
    };
    const auto sleeps = [](std::atomic<int>& counter) -> task<> {
        co_await sleep_for(5ms);
        ++counter;
    };
    w.go(greedy(done));
    w.go(sleeps(done));
    w.run();
    CHECK(done == 1);
}
