/// \file
/// Channels: order, room, and the race between what is sent and a time that is up.

#include "stage5_coroutines/runtime/chan.hpp"
#include "stages/stage5_tools.hpp"

#include <array>
#include <memory>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using stage5::chan;
using stage5::sleep_for;
using stage5::task;
using stage5::yield;
using stage5::net::after;
using stage5_tools::expect;
using stage5_tools::group;
using stage5_tools::in_a_world;

namespace {

/// Receives until it has waited for nothing once the senders have ended; counts each value.
task<> receive_all(chan<std::size_t>& from, std::vector<std::atomic<int>>& got,
                   const std::atomic<bool>& ended, std::atomic<int>& late) {
    for (int i = 0;; ++i) {
        const bool last = ended;
        const auto value = co_await from.receive(after(std::chrono::microseconds(i % 50)));
        if (value)
            ++got[*value];
        else if (last)
            break;
        else
            ++late;
    }
}

task<> send_some(chan<std::size_t>& to, std::size_t first, std::size_t count) {
    for (std::size_t i = first; i < first + count; ++i) {
        while (!to.try_send(i)) co_await yield();
        if (i % 5 == 0) co_await sleep_for(std::chrono::microseconds(i % 60));
    }
}

task<> keep_one(chan<int>& from, int& into) {
    const auto value = co_await from.receive();
    into = value.value_or(-1);
}

} // namespace

TEST_CASE("stage5 chan: values come in order, and there is room for as many as was said") {
    in_a_world(1, []() -> task<> {
        chan<std::string> values(3);
        expect(values.try_send("a") && values.try_send("b") && values.try_send("c"), "room");
        expect(!values.try_send("d"), "no room");
        for (const auto* wanted : {"a", "b", "c"}) {
            const auto got = co_await values.receive();
            expect(got == wanted, wanted);
        }
        expect(values.try_send("e"), "room again");
        const auto last = co_await values.receive(stage5_tools::past); // too late, but there is one
        expect(last == "e", "a value comes before the time");
    });
}

TEST_CASE("stage5 chan: who has waited longest gets the first value") {
    in_a_world(1, []() -> task<> {
        chan<int> values(0); // no room: a value goes only to a waiting receiver
        expect(!values.try_send(0), "nobody waits");
        std::array<int, 5> got{};
        group receivers;
        for (int& each : got) {
            receivers.go(keep_one(values, each));
            co_await sleep_for(100us);
        }
        for (int i = 0; i < 5; ++i) expect(values.try_send(i), "somebody waits");
        expect(!values.try_send(5), "nobody any more");
        co_await receivers.wait();
        expect(got == std::array{0, 1, 2, 3, 4}, "in order");
    });
}

TEST_CASE("stage5 chan: a time that is up gives nothing, not before, and leaves nobody in line") {
    in_a_world(2, []() -> task<> {
        chan<int> values(1);
        for (const auto span : std::array<std::chrono::nanoseconds, 3>{-1s, 1us, 5ms}) {
            const auto until = after(span);
            const auto nothing = co_await values.receive(until);
            expect(!nothing, "nobody has sent anything");
            expect(std::chrono::steady_clock::now() >= until, "not before");
        }
        expect(values.try_send(7), "room");
        const auto got = co_await values.receive();
        expect(got == 7, "for who comes next");
    });
}

TEST_CASE("stage5 chan: what is sent while a time is up is received once or stays there") {
    for (const unsigned threads : {1U, 4U})
        in_a_world(threads, []() -> task<> {
            constexpr std::size_t senders = 4;
            const std::size_t each = harness::sanitized ? 500 : 3000;
            chan<std::size_t> values(2);
            std::vector<std::atomic<int>> got(senders * each);
            std::atomic<bool> ended = false;
            std::atomic<int> late = 0;
            group sending, receiving;
            for (std::size_t i = 0; i < senders; ++i) sending.go(send_some(values, i * each, each));
            for (int i = 0; i < 4; ++i) receiving.go(receive_all(values, got, ended, late));
            co_await sending.wait();
            ended = true;
            co_await receiving.wait();
            int wrong = 0;
            for (const auto& count : got) wrong += count == 1 ? 0 : 1;
            expect(wrong == 0, std::to_string(wrong) + " values were not received once");
        });
}

TEST_CASE("stage5 chan: it may go away as soon as its last value was received") {
    in_a_world(4, []() -> task<> {
        const auto answers = [](std::shared_ptr<chan<int>> to, int what) -> task<> {
            if (what % 2 == 0) co_await sleep_for(std::chrono::microseconds(what % 40));
            to->try_send(what);
        };
        for (int i = 0; i < 1000; ++i) {
            const auto answer = std::make_shared<chan<int>>(1);
            stage5::go(answers(answer, i));
            const auto got = co_await answer->receive(after(std::chrono::microseconds(i % 40)));
            expect(!got || *got == i, "the answer");
        }
        const bool ended = co_await stage5_tools::comes_true(
            [] { return stage5::frame_cache::live() <= 3; }); // us, the world and this one
        expect(ended, "those that came too late");
    });
}
