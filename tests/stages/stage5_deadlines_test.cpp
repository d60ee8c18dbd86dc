/// \file
/// Deadlines as Go's tests of package net expect them: in the past, moved, cleared, never early;
/// and the patience of a write. The tags name Go's tests.

#include "stages/stage5_tools.hpp"

#include <string>

using namespace std::chrono_literals;
using stage5::sleep_for;
using stage5::task;
using stage5::net::after;
using stage5::net::conn;
using stage5::net::listener;
using stage5_tools::ends;
using stage5_tools::ends_of;
using stage5_tools::expect;
using stage5_tools::expect_same;
using stage5_tools::group;
using stage5_tools::in_a_world;
using stage5_tools::said;
using stage5_tools::tcp_ends;

namespace {

const std::string late = "i/o timeout";
const std::string closed = "use of closed network connection";
constexpr stage5::net::deadline none;
using stage5_tools::past;

task<std::string> accept_once(listener from) {
    const auto client = co_await from.accept();
    co_return said(client);
}

task<> keep_accept(listener from, std::string& text) {
    auto got = co_await accept_once(from);
    text = std::move(got);
}

/// At most a byte. \return "ok" or the error's text
task<std::string> read_once(conn from) {
    const auto got = co_await from.read(1);
    co_return said(got);
}

task<> keep_read(conn from, std::string& text) {
    auto got = co_await read_once(from);
    text = std::move(got);
}

task<std::string> write_once(conn to, std::string bytes) {
    const auto written = co_await to.write(bytes);
    co_return said(written);
}

task<> keep_write(conn to, std::string& text) {
    auto why = co_await stage5_tools::write_until_error(to);
    text = std::move(why);
}

} // namespace

TEST_CASE("stage5 deadlines: accept does not take even who waits already, if it is too late",
          "[TestAcceptTimeout]") {
    in_a_world(2, []() -> task<> {
        const auto l = stage5_tools::listen();
        const auto too_late = "accept tcp " + l.addr().to_string() + ": " + late;
        const auto client = co_await stage5_tools::dial(l.name());
        static_cast<void>(l.set_deadline(past));
        for (int i = 0; i < 2; ++i) expect_same(co_await accept_once(l), too_late);
        static_cast<void>(l.set_deadline(after(-5s)));
        expect_same(co_await accept_once(l), too_late);
        static_cast<void>(l.set_deadline(after(30s)));
        expect_same(co_await accept_once(l), "ok");
        const auto until = after(20ms);
        static_cast<void>(l.set_deadline(until)); // earlier: the timer has to be moved
        for (int i = 0; i < 2; ++i) expect_same(co_await accept_once(l), too_late);
        expect(std::chrono::steady_clock::now() >= until, "not before");
    });
}

TEST_CASE("stage5 deadlines: accept returns at a deadline that follows none",
          "[TestAcceptTimeoutMustReturn]") {
    in_a_world(2, []() -> task<> {
        const auto l = stage5_tools::listen();
        static_cast<void>(l.set_deadline(none));
        static_cast<void>(l.set_deadline(after(10ms)));
        const auto client = co_await l.accept();
        expect(!client && client.error().is_timeout() && !client.error().is_closed(), "its kind");
    });
}

TEST_CASE("stage5 deadlines: accept waits on when the deadline is cleared",
          "[TestAcceptTimeoutMustNotReturn]") {
    in_a_world(2, []() -> task<> {
        const auto l = stage5_tools::listen();
        std::string says;
        group waiting;
        static_cast<void>(l.set_deadline(past));
        static_cast<void>(l.set_deadline(none));
        waiting.go(keep_accept(l, says));
        co_await sleep_for(20ms);
        expect_same(says, "");
        l.close_now();
        co_await waiting.wait();
        expect_same(says, "accept tcp " + l.addr().to_string() + ": " + closed);
    });
}

TEST_CASE("stage5 deadlines: read takes nothing when it is too late, and says so each time",
          "[TestReadTimeout]") {
    in_a_world(2, []() -> task<> {
        const tcp_ends both;
        const auto too_late = "read " + ends_of(both.a) + ": " + late;
        expect_same(co_await write_once(both.b, "there is something"), "ok");
        static_cast<void>(both.a.set_read_deadline(after(-5s)));
        for (int i = 0; i < 2; ++i) expect_same(co_await read_once(both.a), too_late);
        static_cast<void>(both.a.set_read_deadline(after(30s)));
        expect_same(co_await read_once(both.a), "ok");
        static_cast<void>(both.a.set_deadline(past));
        expect_same(co_await read_once(both.a), too_late);
        expect_same(co_await write_once(both.a, "x"), "write " + ends_of(both.a) + ": " + late);
    });
}

TEST_CASE("stage5 deadlines: read waits on when its deadline alone is cleared, until the close",
          "[TestReadTimeoutMustNotReturn]") {
    in_a_world(2, []() -> task<> {
        const tcp_ends both;
        std::string says;
        group waiting;
        static_cast<void>(both.a.set_deadline(past));
        static_cast<void>(both.a.set_write_deadline(past));
        static_cast<void>(both.a.set_read_deadline(none));
        waiting.go(keep_read(both.a, says));
        co_await sleep_for(20ms);
        expect_same(says, "");
        both.a.close_now();
        co_await waiting.wait();
        expect_same(says, "read " + ends_of(both.a) + ": " + closed);
    });
}

TEST_CASE("stage5 deadlines: write fails when it is too late, though there is room",
          "[TestWriteTimeout]") {
    in_a_world(2, []() -> task<> {
        const tcp_ends both;
        const auto too_late = "write " + ends_of(both.a) + ": " + late;
        static_cast<void>(both.a.set_write_deadline(past));
        for (int i = 0; i < 2; ++i) expect_same(co_await write_once(both.a, "x"), too_late);
        const auto until = after(20ms);
        static_cast<void>(both.a.set_write_deadline(until));
        expect_same(co_await stage5_tools::write_until_error(both.a), too_late);
        expect(std::chrono::steady_clock::now() >= until, "not before");
        expect_same(co_await write_once(both.a, "x"), too_late);
    });
}

TEST_CASE("stage5 deadlines: write waits on when its deadline alone is cleared, until the close",
          "[TestWriteTimeoutMustNotReturn]") {
    in_a_world(2, []() -> task<> {
        const tcp_ends both;
        std::string says;
        group waiting;
        static_cast<void>(both.a.set_deadline(past));
        static_cast<void>(both.a.set_write_deadline(none));
        waiting.go(keep_write(both.a, says));
        co_await sleep_for(20ms);
        expect_same(says, "");
        both.a.close_now();
        co_await waiting.wait();
        expect_same(says, "write " + ends_of(both.a) + ": " + closed);
    });
}

TEST_CASE("stage5 deadlines: none is early, whatever its length", "[TestReadTimeoutFluctuation]") {
    for (const unsigned threads : {1U, 4U})
        in_a_world(threads, []() -> task<> {
            const ends both;
            for (auto span = 1ns; span < 50ms; span = span * 3 + 1ns) {
                const auto until = after(span);
                static_cast<void>(both.a.set_read_deadline(until));
                const auto got = co_await both.a.read();
                const auto ended = std::chrono::steady_clock::now();
                expect(!got && got.error().is_timeout(), said(got));
                expect(ended >= until, "not before");
                expect(ended < until + 5s, "and soon after");
            }
        });
}

TEST_CASE("stage5 deadlines: one in the past wakes a read that waits",
          "[TestReadTimeoutUnblocksRead]") {
    in_a_world(2, []() -> task<> {
        const tcp_ends both;
        for (int i = 0; i < 20; ++i) {
            std::string says;
            group waiting;
            static_cast<void>(both.a.set_read_deadline(i % 2 == 0 ? none : after(1h)));
            waiting.go(keep_read(both.a, says));
            co_await sleep_for(1ms);
            static_cast<void>(both.a.set_read_deadline(past));
            co_await waiting.wait();
            expect_same(says, "read " + ends_of(both.a) + ": " + late);
        }
    });
}

TEST_CASE("stage5 deadlines: set anew for each message, they cost no message",
          "[TestReadWriteProlongedTimeout]") {
    in_a_world(2, []() -> task<> {
        const tcp_ends both;
        const auto echoes = [](conn with) -> task<> {
            while (true) {
                static_cast<void>(with.set_deadline(after(5s)));
                const auto got = co_await with.read();
                if (!got || got->empty()) break;
                const auto sent = co_await with.write(*got);
                expect_same(said(sent), "ok");
            }
        };
        group other;
        other.go(echoes(both.b));
        for (int i = 0; i < 1000; ++i) {
            static_cast<void>(both.a.set_deadline(after(5s)));
            expect_same(co_await write_once(both.a, "x"), "ok");
            expect_same(co_await read_once(both.a), "ok");
        }
        both.a.close_now();
        co_await other.wait();
    });
}
