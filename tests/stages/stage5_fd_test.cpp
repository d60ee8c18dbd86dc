/// \file
/// Descriptors that coroutines wait for: calls on one direction queue up, close ends them all, and
/// the code that waits reads like code that does not.

#include "stages/stage5_tools.hpp"

#include <fcntl.h>

#include <string>
#include <string_view>

using namespace std::chrono_literals;
using stage5::sleep_for;
using stage5::task;
using stage5::net::conn;
using stage5_tools::ends;
using stage5_tools::world;

namespace {

char byte_at(std::size_t i) {
    return static_cast<char>(i * 7 % 251);
}

task<> count_closed(conn from, std::atomic<int>& count) {
    const auto got = co_await from.read();
    if (!got && got.error().is_closed()) ++count;
}

task<> count_late(conn from, std::atomic<int>& count) {
    const auto got = co_await from.read();
    if (!got && got.error().is_timeout()) ++count;
}

} // namespace

TEST_CASE("stage5: what one coroutine writes another reads, all of it and in order") {
    for (const unsigned threads : {1U, 4U}) {
        world w(threads);
        constexpr std::size_t size = 5'000'000;
        const ends both;
        std::string got;
        const auto writes = [](conn to) -> task<> {
            std::string all(size, '\0');
            for (std::size_t i = 0; i < size; ++i) all[i] = byte_at(i);
            const auto written = co_await to.write(all);
            CHECK(written);
            static_cast<void>(to.close_write());
        };
        const auto reads = [](conn from, std::string& into) -> task<> {
            while (true) {
                const auto part = co_await from.read();
                if (!part || part->empty()) break;
                into.append(part->data(), part->size());
            }
        };
        w.go(writes(both.a));
        w.go(reads(both.b, got));
        w.run();
        REQUIRE(got.size() == size);
        bool same = true;
        for (std::size_t i = 0; i < size; ++i) same = same && got[i] == byte_at(i);
        CHECK(same);
    }
}

TEST_CASE("stage5: close wakes everyone who waits, inside and in line, and returns after them") {
    world w(4);
    const ends both;
    std::atomic<int> closed = 0;
    for (int i = 0; i < 5; ++i) w.go(count_closed(both.a, closed));
    const auto closes = [](conn what) -> task<> {
        co_await sleep_for(5ms);
        int number = -1;
        what.socket()->with_descriptor([&](int n) { return number = n, 0; });
        const auto first = co_await what.close();
        CHECK(first);
        CHECK(::fcntl(number, F_GETFD) == -1); // the last call has left
        const auto second = co_await what.close();
        CHECK((!second && second.error().is_closed()));
    };
    w.go(closes(both.a));
    w.run();
    CHECK(closed == 5);
}

TEST_CASE("stage5: readers queue up and get a message each") {
    world w(4);
    const ends both;
    std::atomic<int> got = 0;
    const auto reads = [](conn from, std::atomic<int>& count) -> task<> {
        const auto message = co_await from.read();
        if (message && std::string_view(message->data(), message->size()) == "x") ++count;
    };
    const auto writes = [](conn to, const std::atomic<int>& count) -> task<> {
        for (int i = 0; i < 10; ++i) {
            const auto written = co_await to.write(std::string_view("x"));
            CHECK(written);
            while (count <= i) co_await sleep_for(1ms);
        }
    };
    for (int i = 0; i < 10; ++i) w.go(reads(both.a, got));
    w.go(writes(both.b, got));
    w.run();
    CHECK(got == 10);
}

TEST_CASE("stage5: a deadline ends a read, and one in the past does at once") {
    world w(2);
    const ends both;
    std::atomic<int> late = 0;
    CHECK(both.a.set_read_deadline(stage5::net::after(5ms)));
    CHECK(both.b.set_read_deadline(stage5_tools::past));
    w.go(count_late(both.a, late));
    w.go(count_late(both.b, late));
    w.run();
    CHECK(late == 2);
}
