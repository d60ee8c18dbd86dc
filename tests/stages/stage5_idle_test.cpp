/// \file
/// While some coroutines compute, their workers are lost to the others until they have finished,
/// but every other worker has to continue as usual.

#include "stage5_coroutines/runtime/chan.hpp"
#include "stages/stage5_tools.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using stage5::chan;
using stage5::go;
using stage5::sleep_for;
using stage5::task;
using stage5::net::conn;
using stage5_tools::ends;
using stage5_tools::expect;
using stage5_tools::group;
using stage5_tools::in_a_world;
using stage5_tools::world;
using std::chrono::steady_clock;

namespace {

/// How long a turn takes that computes, and what must happen long before it ends. (A thread that
/// sleeps is as lost to the scheduler as one that computes, and leaves the cores to the tests.)
constexpr auto computation = 1000ms;
constexpr auto soon = computation / 2;

void compute(std::chrono::milliseconds how_long = computation) {
    std::this_thread::sleep_for(how_long);
}

steady_clock::duration since(steady_clock::time_point start) {
    return steady_clock::now() - start;
}

void expect_within(steady_clock::duration limit, steady_clock::duration took, const char* what) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
    expect(took < limit, what + (" after " + std::to_string(ms) + " ms"));
}

/// Computes when a byte comes.
task<> compute_when_told(conn from) {
    static_cast<void>(co_await from.read(1));
    compute();
}

task<> echo_a_byte(conn client) {
    while (true) {
        const auto byte = co_await client.read(1);
        if (!byte || byte->empty()) break;
        if (!co_await client.write(*byte)) break;
    }
}

void write_byte(const conn& to) {
    static_cast<void>(::write(stage5_tools::number_of(to), "x", 1));
}

/// One look at the poller makes two coroutines ready, and both compute; nothing else happens then.
task<> make_two_compute() {
    const ends first, second;
    group all;
    all.go(compute_when_told(first.a));
    all.go(compute_when_told(second.a));
    co_await sleep_for(150ms); // until all workers sleep, and sysmon as well
    write_byte(first.b);
    write_byte(second.b);
    co_await all.wait();
}

/// What a client does that is no coroutine: sends a byte while those two compute, and waits for it.
steady_clock::duration time_of_an_echo(int fd) {
    std::this_thread::sleep_for(250ms);
    const auto start = steady_clock::now();
    static_cast<void>(::write(fd, "x", 1));
    pollfd answered{fd, POLLIN, 0};
    ::poll(&answered, 1, 10'000);
    return since(start);
}

} // namespace

TEST_CASE("stage5 idle: a client is answered while two coroutines compute, if a worker is left") {
    for (const unsigned threads : {3U, 4U, 8U})
        in_a_world(threads, []() -> task<> {
            const ends client;
            steady_clock::duration took{};
            std::thread outside([&] { took = time_of_an_echo(stage5_tools::number_of(client.b)); });
            group all;
            all.go(echo_a_byte(client.a));
            co_await make_two_compute();
            outside.join();
            expect_within(soon, took, "the echo came");
            client.a.close_now();
            co_await all.wait();
        });
}

TEST_CASE("stage5 idle: a sleep ends in time while two coroutines compute, if a worker is left") {
    for (const unsigned threads : {3U, 4U, 8U})
        in_a_world(threads, []() -> task<> {
            group all;
            all.go(make_two_compute());
            const auto start = steady_clock::now();
            co_await sleep_for(250ms);
            expect_within(250ms + soon, since(start), "sleep_for(250ms) ended");
            co_await all.wait();
        });
}

TEST_CASE("stage5 idle: as many compute at once as there are workers") {
    for (const unsigned threads : {2U, 3U, 4U, 8U})
        in_a_world(threads, [threads]() -> task<> {
            co_await sleep_for(150ms); // everything sleeps
            const auto computes = []() -> task<> {
                compute();
                co_return;
            };
            group all;
            const auto start = steady_clock::now();
            for (unsigned i = 1; i < threads; ++i) all.go(computes());
            compute();
            co_await all.wait();
            expect_within(computation + soon, since(start), "all had computed");
        });
}

TEST_CASE("stage5 idle: several clients that each cost a computation are served at once") {
    in_a_world(8, []() -> task<> {
        const std::array<ends, 7> clients;
        group all;
        for (const auto& each : clients) all.go(compute_when_told(each.a));
        co_await sleep_for(150ms);
        const auto start = steady_clock::now();
        for (const auto& each : clients) write_byte(each.b);
        co_await all.wait();
        expect_within(computation + soon, since(start), "all were served");
    });
}

TEST_CASE("stage5 idle: made ready from outside, its child runs although it computes") {
    for (const unsigned threads : {2U, 3U, 8U})
        in_a_world(threads, []() -> task<> {
            chan<int> from(1);
            std::atomic<bool> has_run = false;
            std::thread outside([&] {
                std::this_thread::sleep_for(150ms); // until all workers sleep, and sysmon as well
                from.try_send(1);
            });
            co_await from.receive();
            const auto start = steady_clock::now();
            const auto child = [](std::atomic<bool>& done) -> task<> {
                done = true;
                co_return;
            };
            group children;
            children.go(child(has_run));
            while (!has_run && since(start) < computation) std::this_thread::sleep_for(1ms);
            expect_within(soon, since(start), "the child had run");
            outside.join();
            co_await children.wait();
        });
}

TEST_CASE("stage5 idle: a stop reaches every worker, whatever each of them is doing") {
    for (int i = 0; i < (harness::sanitized ? 30 : 300); ++i) {
        auto runtime = stage5::scheduler::make(4);
        REQUIRE(runtime);
        std::thread outside([&] {
            std::this_thread::sleep_for(std::chrono::microseconds(i * 7 % 300));
            (*runtime)->stop();
        });
        (*runtime)->run();
        outside.join();
    }
}
