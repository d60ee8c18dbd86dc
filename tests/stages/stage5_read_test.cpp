/// \file
/// Reading: of nothing, of more than a lent buffer has, and around urgent data and the stream's
/// end, where a short read does not prove that nothing is left (Go issue 8891).

#include "stages/stage5_tools.hpp"

#include <sys/socket.h>

#include <string>
#include <string_view>

using namespace std::chrono_literals;
using stage5::sleep_for;
using stage5::task;
using stage5::net::conn;
using stage5_tools::expect;
using stage5_tools::expect_same;
using stage5_tools::group;
using stage5_tools::in_a_world;
using stage5_tools::said;
using stage5_tools::tcp_ends;

namespace {

/// Sends at once: the bytes, and each '!' among them as urgent data.
void send(const conn& from, std::string_view bytes) {
    const int fd = stage5_tools::number_of(from);
    for (const char each : bytes)
        expect(::send(fd, &each, 1, each == '!' ? MSG_OOB : 0) == 1, "a byte is sent");
}

/// Reads once. \return what came, "end", or the error's text
task<std::string> read_once(conn from, std::uint32_t at_most = stage5::net::lent_size) {
    const auto part = co_await from.read(at_most);
    if (!part) co_return said(part);
    co_return part->empty() ? std::string("end") : std::string(part->data(), part->size());
}

/// Reads until `count` bytes have come that are not urgent.
task<> keep(conn from, std::size_t count, std::uint32_t at_most, std::string& into) {
    while (into.size() < count) {
        const auto part = co_await read_once(from, at_most);
        if (part == "end") break;
        into += part;
        std::erase(into, '!'); // in the stream if it is inline, or was replaced by a second one
    }
}

/// Reads nothing, in both ways.
task<> read_nothing(conn from, std::string& into) {
    const auto lent = co_await from.read(0);
    const auto own = co_await from.read(std::span<char>());
    into = said(lent) + ", " + said(own);
}

/// \return what it says if it comes to an end
task<std::string> reads_of_nothing(conn from) {
    std::string says = "waits";
    group calls;
    calls.go(read_nothing(std::move(from), says));
    co_await calls.wait();
    co_return says;
}

void set_inline(const conn& of, bool is_inline) {
    const int on = is_inline ? 1 : 0;
    ::setsockopt(stage5_tools::number_of(of), SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
}

/// What is to be read of it.
std::string without_urgent(std::string bytes) {
    std::erase(bytes, '!');
    return bytes;
}

} // namespace

TEST_CASE("stage5 read: of nothing returns at once, of a fresh connection and of a drained one",
          "[TestZeroByteRead]") {
    in_a_world(2, []() -> task<> {
        const tcp_ends both;
        expect_same(co_await reads_of_nothing(both.b), "ok, ok");
        send(both.a, "bytes");
        expect_same(co_await read_once(both.b), "bytes");
        expect_same(co_await reads_of_nothing(both.b), "ok, ok");
        static_cast<void>(both.b.set_read_deadline(stage5_tools::past));
        expect_same(co_await reads_of_nothing(both.b), "ok, ok"); // before the deadline counts
        both.b.close_now();
        const auto after_close = co_await both.b.read(0);
        expect(!after_close && after_close.error().is_closed(), "but not before closing does");
    });
}

TEST_CASE("stage5 read: of nothing takes no event away from the next one") {
    in_a_world(2, []() -> task<> {
        const tcp_ends both;
        send(both.a, "first");
        expect_same(co_await read_once(both.b), "first"); // the socket is drained
        send(both.a, "x");
        co_await sleep_for(5ms); // the event is delivered, and nobody waits for it
        expect_same(co_await reads_of_nothing(both.b), "ok, ok");
        std::string got;
        group readers;
        readers.go(keep(both.b, 1, 100, got));
        co_await readers.wait();
        expect_same(got, "x");
    });
}

TEST_CASE("stage5 read: lends no more than the buffer has, whatever is asked for") {
    in_a_world(1, []() -> task<> {
        const tcp_ends both;
        for (const std::uint32_t at_most : {70'000U, 0x7fff'ffffU, 0xffff'ffffU}) {
            send(both.a, "abc");
            expect_same(co_await read_once(both.b, at_most), "abc");
        }
        const std::string much(100'000, 'm');
        expect_same(said(co_await both.a.write(much)), "ok");
        std::size_t got = 0;
        while (got < much.size()) {
            const auto part = co_await both.b.read(100'000);
            if (!part || part->empty()) break;
            expect(part->size() <= stage5::net::lent_size, "no more than the buffer has");
            got += part->size();
        }
        expect(got == much.size(), "all of it");
    });
}

TEST_CASE("stage5 read: urgent data hides no bytes, wherever it comes") {
    for (const bool is_inline : {false, true})
        for (const std::uint32_t at_most : {1U, 2U, 1000U})
            in_a_world(2, [=]() -> task<> {
                const tcp_ends both;
                set_inline(both.b, is_inline);
                std::string sent;
                std::string got;
                for (const auto* const bytes :
                     {"a", "!b", "c!", "d!e", "!", "f", "!!g", "h!!", "i!j!k"}) {
                    sent += without_urgent(bytes);
                    group readers;
                    readers.go(keep(both.b, sent.size(), at_most, got));
                    send(both.a, bytes);
                    co_await readers.wait();
                    expect_same(got, sent);
                }
            });
}

TEST_CASE("stage5 read: urgent data on a connection that has had none hides no bytes") {
    for (const auto* const bytes : {"!a", "a!", "a!b", "!!a", "a!!b", "ab!cd!ef"})
        for (const bool is_parked : {false, true})
            in_a_world(2, [=]() -> task<> {
                const tcp_ends both;
                const auto wanted = without_urgent(bytes);
                std::string got;
                group readers;
                if (!is_parked) send(both.a, bytes);
                readers.go(keep(both.b, wanted.size(), 1000, got));
                co_await sleep_for(1ms);
                if (is_parked) send(both.a, bytes);
                co_await readers.wait();
                expect_same(got, wanted);
                static_cast<void>(both.a.close_write());
                auto last = co_await read_once(both.b);
                if (last == "!") last = co_await read_once(both.b);
                expect_same(last, "end");
            });
}

TEST_CASE("stage5 read: an end or a reset that comes along with bytes is found behind them") {
    for (int i = 0; i < 20; ++i)
        in_a_world(2, [=]() -> task<> {
            const tcp_ends both;
            group readers;
            std::string got;
            readers.go(keep(both.b, 100, 100, got));
            if (i % 2 == 0) co_await sleep_for(1ms);
            const int fd = stage5_tools::number_of(both.a);
            expect(::send(fd, "last", 4, MSG_MORE) == 4, "sent"); // in one segment with the end
            static_cast<void>(both.a.close_write());
            co_await readers.wait();
            expect_same(got, "last");
            stage5_tools::reset_at_close(both.a);
            both.a.close_now();
            expect_same((co_await read_once(both.b)), "end");
        });
}
