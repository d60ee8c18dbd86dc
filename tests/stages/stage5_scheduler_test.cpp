/// \file
/// The scheduler runs each coroutine that is ready, once, and uses no processor time while all
/// wait.

#include "harness/proc.hpp"
#include "stage5_coroutines/runtime/chan.hpp"
#include "stages/stage5_tools.hpp"

#include <unistd.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using stage5::go;
using stage5::sleep_for;
using stage5::task;
using stage5::yield;
using stage5::net::conn;
using stage5_tools::comes_true;
using stage5_tools::ends;
using stage5_tools::expect;
using stage5_tools::expect_same;
using stage5_tools::group;
using stage5_tools::in_a_world;
using stage5_tools::said;
using stage5_tools::world;
using stage5_tools::write_all;

namespace {

/// A tree of tasks: each counts itself and starts its two children, some of them after a while.
struct tree {
    explicit tree(std::size_t size) : ran(size) {}
    std::vector<std::atomic<int>> ran;
    std::atomic<std::size_t> done = 0;
};

task<> grow(tree& all, std::size_t place) {
    ++all.ran[place];
    if (place % 3 == 0) co_await yield();
    for (const std::size_t child : std::array{2 * place + 1, 2 * place + 2})
        if (child < all.ran.size()) go(grow(all, child));
    if (place % 5 == 0) co_await sleep_for(std::chrono::microseconds(place % 300));
    if (place % 7 == 0) co_await yield();
    ++all.done;
}

task<> keep_read(conn from, std::string& text) {
    const auto got = co_await from.read();
    text = got ? std::string(got->data(), got->size()) : said(got);
}

task<> take_bytes(conn from, std::size_t wanted, std::atomic<std::size_t>& got) {
    std::array<char, 1> byte{};
    while (got < wanted) {
        const auto size = co_await from.read(std::span<char>(byte));
        if (!size || *size == 0) break;
        ++got;
    }
}

task<> pass_bytes(conn from, conn to, std::size_t wanted, std::atomic<std::size_t>& passed) {
    while (passed < wanted) {
        const auto byte = co_await from.read(1);
        if (!byte || byte->empty()) break;
        const auto written = co_await to.write(*byte);
        expect_same(said(written), "ok");
        ++passed;
    }
}

} // namespace

TEST_CASE("stage5 scheduler: in a storm of tasks that start tasks, each runs once") {
    for (const unsigned threads : {1U, 2U, 4U, 8U}) {
        world w(threads);
        tree all(harness::sanitized ? 5'000 : 40'000);
        go(grow(all, 0));
        const auto waits = [](const tree& whole) -> task<> {
            const bool done = co_await comes_true([&] { return whole.done == whole.ran.size(); });
            expect(done, "all have run");
        };
        w.go(waits(all));
        w.run();
        int wrong = 0;
        for (const auto& each : all.ran) wrong += each == 1 ? 0 : 1;
        CHECK(wrong == 0);
    }
}

TEST_CASE("stage5 scheduler: nothing runs while all wait") {
    in_a_world(4, []() -> task<> {
        const ends both;
        std::array<std::string, 10> got;
        std::atomic<int> slept = 0;
        const auto sleeps = [](std::atomic<int>& count) -> task<> {
            co_await sleep_for(300ms);
            ++count;
        };
        group waiting;
        for (int i = 0; i < 100; ++i) waiting.go(sleeps(slept));
        for (auto& each : got) waiting.go(keep_read(both.a, each));
        co_await sleep_for(50ms); // until all threads have found nothing to do
        const harness::cpu_meter meter(::getpid());
        co_await sleep_for(200ms);
        const double used = meter.share();
        expect(used < 0.05, std::to_string(used) + " of a core");
        const bool all = co_await comes_true([&] { return slept == 100; });
        expect(all, "all wake up");
        both.a.close_now();
        co_await waiting.wait();
    });
}

TEST_CASE("stage5 scheduler: who gives way but never waits does not keep descriptors waiting") {
    in_a_world(1, []() -> task<> {
        const ends both;
        std::string got;
        group reader;
        reader.go(keep_read(both.a, got));
        co_await sleep_for(1ms);
        both.b.socket()->with_descriptor(
            [](int fd) { return ::write(fd, "now", 3) == 3 ? 0 : -1; });
        const harness::deadline end(harness::must_happen);
        while (got.empty() && !end.over()) co_await yield();
        expect_same(got, "now");
        co_await reader.wait();
    });
}

TEST_CASE("stage5 scheduler: a reader for whom there is always something keeps nobody waiting") {
    in_a_world(1, []() -> task<> {
        const ends both;
        constexpr std::size_t much = 100'000;
        group all;
        all.go(write_all(both.b, std::string(much, 'x')));
        std::atomic<std::size_t> got = 0;
        all.go(take_bytes(both.a, much, got)); // a byte at a time
        co_await sleep_for(1ms);
        expect(got < much, "others have a turn before it has read everything");
        co_await all.wait();
    });
}

TEST_CASE("stage5 scheduler: an echo of a client that floods it keeps nobody waiting") {
    in_a_world(1, []() -> task<> {
        const ends in, out;
        constexpr std::size_t much = 100'000;
        group both;
        both.go(write_all(in.b, std::string(much, 'x')));
        std::atomic<std::size_t> got = 0, taken = 0;
        both.go(pass_bytes(in.a, out.a, much, got));
        both.go(take_bytes(out.b, much, taken));
        co_await sleep_for(1ms);
        expect(got < much, "others have a turn before it has read everything");
        co_await both.wait();
    });
}

TEST_CASE("stage5 scheduler: what other threads make ready wakes who sleeps") {
    in_a_world(4, []() -> task<> {
        for (int i = 0; i < 200; ++i) {
            stage5::chan<int> from(1);
            std::thread sender([&from, i] { from.try_send(i); });
            const auto got = co_await from.receive(stage5::net::after(10s));
            expect(got == i, "it has come");
            sender.join();
        }
    });
}

namespace {

task<> say_so(std::atomic<bool>& ran) {
    ran = true;
    co_return;
}

/// Starts somebody and then computes, without awaiting anything, until that one has run.
task<> compute_until_another_has_run(std::chrono::milliseconds before) {
    co_await sleep_for(before);
    std::atomic<bool> ran = false;
    group other;
    other.go(say_so(ran));
    const auto since = std::chrono::steady_clock::now();
    while (!ran && std::chrono::steady_clock::now() - since < 2s) {}
    expect(ran, "it has had its turn on the other thread");
    co_await other.wait();
}

} // namespace

TEST_CASE("stage5 scheduler: who computes for long keeps nobody waiting if a thread is free") {
    // The other thread has just begun to sleep, or does so for long.
    for (const auto before : {0ms, 300ms})
        in_a_world(2, [before] { return compute_until_another_has_run(before); });
}
