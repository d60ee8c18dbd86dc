/// \file
/// Connections as Go's tests of package net expect them: closing, half of it, resets, and what
/// errors say. The tags name Go's tests.

#include "stages/stage5_tools.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <string>
#include <string_view>

using namespace std::chrono_literals;
using stage5::sleep_for;
using stage5::task;
using stage5::net::conn;
using stage5_tools::ends_of;
using stage5_tools::expect;
using stage5_tools::expect_same;
using stage5_tools::group;
using stage5_tools::in_a_world;
using stage5_tools::said;
using stage5_tools::tcp_ends;

namespace {

/// Reads once, into a buffer of its own. \return what came, or the error's text
task<std::string> read_once(conn from) {
    std::string buffer(100, '\0');
    const auto size = co_await from.read(std::span<char>(buffer));
    if (!size) co_return said(size);
    buffer.resize(*size);
    co_return buffer;
}

task<std::string> write_once(conn to, std::string bytes) {
    const auto written = co_await to.write(bytes);
    co_return said(written);
}

task<> keep_read(conn from, std::string& text) {
    auto got = co_await read_once(from);
    text = std::move(got);
}

task<> keep_until_error(conn to, std::string& text) {
    auto why = co_await stage5_tools::write_until_error(to);
    text = std::move(why);
}

int option(const conn& of, int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    of.socket()->with_descriptor(
        [&](int fd) { return ::getsockopt(fd, level, name, &value, &size); });
    return value;
}

const std::string closed = "use of closed network connection";

} // namespace

TEST_CASE("stage5 net: after close_read a read finds the end of the stream", "[TestCloseRead]") {
    in_a_world(2, []() -> task<> {
        const tcp_ends both;
        std::string parked = "nothing";
        group readers;
        readers.go(keep_read(both.a, parked));
        co_await sleep_for(1ms);
        expect_same(said(both.a.close_read()), "ok");
        co_await readers.wait();
        expect_same(parked, "");
        expect_same(co_await read_once(both.a), "");
        expect_same(co_await write_once(both.a, "still writes"), "ok");
        expect_same(co_await read_once(both.b), "still writes");
    });
}

TEST_CASE("stage5 net: after close_write the peer reads to the end, and may go on writing",
          "[TestCloseWrite]") {
    in_a_world(2, []() -> task<> {
        const tcp_ends both;
        expect_same(co_await write_once(both.a, "last words"), "ok");
        expect_same(said(both.a.close_write()), "ok");
        expect_same(co_await read_once(both.b), "last words");
        expect_same(co_await read_once(both.b), "");
        expect_same(co_await write_once(both.a, "more"),
                    "write " + ends_of(both.a) + ": write: broken pipe");
        expect_same(co_await write_once(both.b, "an answer"), "ok");
        expect_same(co_await read_once(both.a), "an answer");
    });
}

TEST_CASE("stage5 net: after close all calls say that it is closed, and with whom it was",
          "[TestConnClose]") {
    in_a_world(2, []() -> task<> {
        const tcp_ends both;
        const auto who = ends_of(both.a);
        const auto first = co_await both.a.close();
        expect_same(said(first), "ok");
        expect_same(co_await read_once(both.a), "read " + who + ": " + closed);
        expect_same(co_await write_once(both.a, "x"), "write " + who + ": " + closed);
        expect_same(said(both.a.close_read()), "close " + who + ": " + closed);
        expect_same(said(both.a.close_write()), "close " + who + ": " + closed);
        expect_same(said(both.a.set_keep_alive(5s)), "set " + who + ": " + closed);
        expect_same(ends_of(both.a), who);
        expect_same(co_await read_once(both.b), "");
    });
}

TEST_CASE("stage5 net: a deadline for a closed connection is refused as Go does",
          "[TestConnClose]") {
    in_a_world(1, []() -> task<> {
        const tcp_ends both;
        both.a.close_now();
        const auto wanted = "set tcp " + both.a.local_addr().to_string() + ": " + closed;
        expect_same(said(both.a.set_deadline(stage5_tools::past)), wanted);
        expect_same(said(both.a.set_read_deadline(stage5_tools::past)), wanted);
        expect_same(said(both.a.set_write_deadline({})), wanted);
        co_return;
    });
}

TEST_CASE("stage5 net: closing three times is an error twice, and nothing else",
          "[TestCloseError]") {
    in_a_world(2, []() -> task<> {
        const auto listener = stage5_tools::listen();
        const tcp_ends both;
        for (int i = 0; i < 3; ++i) expect_same(said(both.a.close_read()), "ok");
        for (int i = 0; i < 3; ++i) expect_same(said(both.a.close_write()), "ok");
        for (int i = 0; i < 3; ++i) {
            const auto done = co_await both.a.close();
            expect_same(said(done), i == 0 ? "ok" : "close " + ends_of(both.a) + ": " + closed);
            const auto ended = co_await listener.close();
            const auto again = "close tcp " + listener.addr().to_string() + ": " + closed;
            expect_same(said(ended), i == 0 ? "ok" : again);
        }
    });
}

TEST_CASE("stage5 net: half a close of a connection that was reset fails as shutdown",
          "[TestCloseError]") {
    in_a_world(2, []() -> task<> {
        const tcp_ends both;
        stage5_tools::reset_at_close(both.b);
        both.b.close_now();
        co_await keep_read(both.a, *std::make_unique<std::string>());
        const auto wanted = "close " + ends_of(both.a) +
                            ": shutdown: transport endpoint is not connected";
        expect_same(said(both.a.close_write()), wanted);
        expect_same(said(both.a.close_read()), wanted);
    });
}

TEST_CASE("stage5 net: a read into nothing reads nothing, at once", "[TestZeroByteRead]") {
    in_a_world(1, []() -> task<> {
        const tcp_ends both;
        const auto got = co_await both.a.read(std::span<char>());
        expect(got && *got == 0, "nothing was sent");
        expect_same(co_await write_once(both.b, "x"), "ok");
        const auto nothing = co_await both.a.read(std::span<char>());
        expect(nothing && *nothing == 0, "something was sent");
        expect_same(co_await read_once(both.a), "x");
    });
}

TEST_CASE("stage5 net: a read that waits ends when the peer closes", "[TestCloseUnblocksRead]") {
    in_a_world(2, []() -> task<> {
        const tcp_ends both;
        std::string got = "nothing";
        group readers;
        readers.go(keep_read(both.a, got));
        co_await sleep_for(1ms);
        both.b.close_now();
        co_await readers.wait();
        expect_same(got, "");
    });
}

TEST_CASE("stage5 net: a read and a write that wait end when we close",
          "[TestCloseUnblocksReadUDP]") {
    in_a_world(4, []() -> task<> {
        const tcp_ends both;
        std::string read_says, write_says;
        group waiting;
        waiting.go(keep_read(both.a, read_says));
        waiting.go(keep_until_error(both.a, write_says));
        co_await sleep_for(2ms);
        const auto done = co_await both.a.close();
        expect_same(said(done), "ok");
        co_await waiting.wait();
        expect_same(read_says, "read " + ends_of(both.a) + ": " + closed);
        expect_same(write_says, "write " + ends_of(both.a) + ": " + closed);
    });
}

TEST_CASE("stage5 net: a reset is an error and not the end of the stream",
          "[TestNotTemporaryRead]") {
    in_a_world(2, []() -> task<> {
        const tcp_ends both;
        const auto who = ends_of(both.a);
        stage5_tools::reset_at_close(both.b);
        std::string got;
        group readers;
        readers.go(keep_read(both.a, got));
        co_await sleep_for(1ms);
        both.b.close_now();
        co_await readers.wait();
        expect_same(got, "read " + who + ": read: connection reset by peer");
        expect_same(ends_of(both.a), who); // the kernel knows no longer
        both.a.close_now();
        expect_same(co_await read_once(both.a), "read " + who + ": " + closed);
    });
}

TEST_CASE("stage5 net: a reset has a number, is no timeout and is not our own close",
          "[TestNotTemporaryRead]") {
    in_a_world(1, []() -> task<> {
        const tcp_ends both;
        stage5_tools::reset_at_close(both.b);
        both.b.close_now();
        const auto got = co_await both.a.read();
        expect(!got && got.error().number() == ECONNRESET, "its number");
        expect(!got && !got.error().is_timeout() && !got.error().is_closed(), "its kind");
        expect(!got && got.error().what().op == "read", "its operation");
    });
}

TEST_CASE("stage5 net: a connection is named by both ends, also over IPv6 and Unix sockets",
          "[TestUnixConnLocalAndRemoteNames]") {
    in_a_world(2, []() -> task<> {
        for (const std::string network : {"tcp", "unix"}) {
            const std::string at = network == "unix" ? "@stage5-names" : "[::1]:0";
            const auto made = stage5::net::listen(network, at);
            if (!made) continue; // no IPv6 here
            const auto name = made->addr().to_string();
            const auto client = co_await stage5_tools::dial(name, network);
            const auto server = co_await made->accept();
            expect_same(said(server), "ok");
            if (!server) continue;
            expect_same(client.remote_addr().to_string(), name);
            expect_same(server->local_addr().to_string(), name);
            expect_same(server->remote_addr().to_string(), client.local_addr().to_string());
            if (network == "unix") expect_same(client.local_addr().to_string(), "@");
        }
    });
}

TEST_CASE("stage5 net: options are set on both ends from the start, and can be changed",
          "[TestDialerKeepAlive]") {
    in_a_world(2, []() -> task<> {
        const auto listener = stage5_tools::listen();
        const auto client = co_await stage5_tools::dial(listener.name());
        const auto server = co_await listener.accept();
        if (!server) co_return expect(false, said(server));
        for (const conn& each : {client, *server}) {
            expect(option(each, SOL_SOCKET, SO_KEEPALIVE) == 1, "keep-alive");
            expect(option(each, IPPROTO_TCP, TCP_KEEPIDLE) == 15, "idle");
            expect(option(each, IPPROTO_TCP, TCP_KEEPINTVL) == 15, "interval");
            expect(option(each, IPPROTO_TCP, TCP_NODELAY) == 1, "no delay");
            expect_same(said(each.set_keep_alive(5s)), "ok");
            expect(option(each, IPPROTO_TCP, TCP_KEEPIDLE) == 5, "changed");
            expect_same(said(each.set_keep_alive(0s)), "ok");
            expect(option(each, SOL_SOCKET, SO_KEEPALIVE) == 0, "off");
            expect_same(said(each.set_no_delay(false)), "ok");
            expect(option(each, IPPROTO_TCP, TCP_NODELAY) == 0, "Nagle's");
        }
    });
}
