/// \file
/// Writes that have to wait: how much patience they have, what they leave behind, and what becomes
/// of bytes that were lent.

#include "stages/stage5_tools.hpp"

#include <sys/socket.h>

#include <string>

using namespace std::chrono_literals;
using stage5::sleep_for;
using stage5::task;
using stage5::net::conn;
using stage5_tools::ends;
using stage5_tools::ends_of;
using stage5_tools::expect;
using stage5_tools::expect_same;
using stage5_tools::group;
using stage5_tools::in_a_world;
using stage5_tools::said;
using stage5_tools::tcp_ends;

namespace {

const std::string closed = "use of closed network connection";

task<std::string> write_once(conn to, std::string bytes, std::chrono::nanoseconds patience = {}) {
    const auto written = co_await to.write(bytes, patience);
    co_return said(written);
}

task<> keep_write(conn to, std::string& text) {
    auto why = co_await stage5_tools::write_until_error(to);
    text = std::move(why);
}

task<> read_slowly(conn from, std::size_t wanted, std::size_t& got) {
    while (got < wanted) {
        co_await sleep_for(2ms);
        const auto part = co_await from.read(20'000);
        if (!part || part->empty()) break;
        got += part->size();
    }
}

/// As little room as there can be.
void shrink(const conn& sender) {
    const int smallest = 1;
    sender.socket()->with_descriptor([&](int fd) {
        return ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &smallest, sizeof smallest);
    });
}

} // namespace

TEST_CASE("stage5 write: a peer that takes nothing tries a write's patience, and no later one") {
    in_a_world(2, []() -> task<> {
        const tcp_ends both;
        const std::string much(20'000'000, 'x');
        const auto before = std::chrono::steady_clock::now();
        const auto gave_up = co_await both.a.write(much, 10ms);
        expect_same(said(gave_up), "write " + ends_of(both.a) + ": i/o timeout");
        expect(std::chrono::steady_clock::now() - before >= 10ms, "not before");
        expect(!gave_up && gave_up.error().done() > 0 && gave_up.error().done() < much.size(),
               "the part that was written");

        // The next one has all the time that it likes.
        std::string says;
        group others;
        others.go(keep_write(both.a, says));
        co_await sleep_for(30ms);
        expect_same(says, "");
        both.a.close_now();
        co_await others.wait();
        expect_same(says, "write " + ends_of(both.a) + ": " + closed);
        const auto got = co_await stage5_tools::read_all(both.b);
        expect(!gave_up && got.size() >= gave_up.error().done(), "what was written arrives");
    });
}

TEST_CASE("stage5 write: a write that waited and went well leaves no deadline behind") {
    for (const bool is_tcp : {false, true}) {
        static bool tcp;
        tcp = is_tcp;
        in_a_world(2, []() -> task<> {
            const tcp_ends by_tcp;
            const ends by_unix;
            const conn a = tcp ? by_tcp.a : by_unix.a, b = tcp ? by_tcp.b : by_unix.b;
            shrink(a);
            std::size_t got = 0;
            group reader;
            reader.go(read_slowly(b, 300'000, got));
            expect_same(co_await write_once(a, std::string(300'000, 'x'), 200ms), "ok");
            co_await reader.wait();
            expect(got == 300'000, "all of it");
            std::string says;
            group writer;
            writer.go(keep_write(a, says));
            co_await sleep_for(260ms); // a deadline that was left would end it
            expect_same(says, "");
            a.close_now();
            co_await writer.wait();
            expect(says.ends_with(closed), says);
        });
    }
}

TEST_CASE("stage5 write: bytes that a read has lent survive a write that has to wait") {
    in_a_world(1, []() -> task<> { // one thread: every coroutine on it uses the same buffer
        const ends source, sink;
        shrink(sink.a);
        std::string all;
        for (int i = 0; i < 60'000; ++i) all += static_cast<char>('a' + i % 23);
        expect_same(co_await write_once(source.a, all), "ok");
        const auto spoils = [](conn a, conn b) -> task<> {
            for (int i = 0; i < 20; ++i) {
                expect_same(co_await write_once(a, std::string(60'000, '#')), "ok");
                static_cast<void>(co_await b.read());
            }
        };
        const auto forwards = [](conn from, conn to) -> task<> {
            const auto lent = co_await from.read();
            if (!lent) co_return expect(false, said(lent));
            const auto first = co_await to.write(*lent);
            expect_same(said(first), "ok");
            static_cast<void>(to.close_write());
        };
        group others;
        others.go(forwards(source.b, sink.a));
        const ends noise;
        others.go(spoils(noise.a, noise.b));
        co_await sleep_for(5ms);
        const auto got = co_await stage5_tools::read_all(sink.b);
        expect(!got.empty() && got == all.substr(0, got.size()), "not what was there before");
        co_await others.wait();
    });
}

TEST_CASE("stage5 write: a write that is not awaited ends the connection and holds up no close") {
    in_a_world(1, []() -> task<> {
        const tcp_ends both;
        const std::string much(20'000'000, 'x');
        static_cast<void>(both.a.write(much)); // as if an exception had come before the await
        const auto closes = [](conn which) -> task<> {
            expect_same(said(co_await which.close()), "ok");
        };
        group closer;
        closer.go(closes(both.a));
        co_await closer.wait();
        const auto got = co_await stage5_tools::read_all(both.b);
        expect(got.ends_with("connection reset by peer"), "nothing after a part of a message");
    });
}
