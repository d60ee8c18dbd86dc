/// \file
/// What waiting costs in memory: nothing for a call, nothing kept between lines, and few bytes for
/// a connection that is idle; and whom it costs something that there is none.

#include "harness/crowd.hpp"
#include "harness/proc.hpp"
#include "harness/programs.hpp"
#include "harness/server.hpp"
#include "stage5_coroutines/net/bufio.hpp"
#include "stages/allocations.hpp"
#include "stages/stage5_tools.hpp"

#include <new>
#include <string>

using stage5::task;
using stage5::net::conn;
using stage5_tools::comes_true;
using stage5_tools::expect;
using stage5_tools::expect_same;
using stage5_tools::group;
using stage5_tools::in_a_world;
using stage5_tools::said;
using stage5_tools::tcp_ends;

namespace {

/// Warns, if so.
bool is_left_out() {
    if (harness::sanitized) WARN("left out: under a sanitizer each frame is an allocation");
    return harness::sanitized;
}

task<> echo(conn with) {
    while (true) {
        const auto got = co_await with.read();
        if (!got || got->empty()) break;
        const auto sent = co_await with.write(*got);
        expect_same(said(sent), "ok");
    }
}

task<> count_lines(conn from, int& lines) {
    stage5::bufio::reader reader(from);
    stage5::bufio::writer writer(from);
    while (true) {
        const auto line = co_await reader.read_line();
        if (!line || line->empty()) break;
        const auto written = co_await writer.write(*line);
        const auto sent = co_await writer.flush();
        expect(written && sent, "echoed");
        ++lines;
    }
}

/// Reads a byte, unless there is no memory to wait for it.
task<> read_byte(conn from, int& came, bool& refused) {
    std::array<char, 1> byte{};
    try {
        const auto got = co_await from.read(std::span(byte));
        expect_same(said(got), "ok");
        ++came;
    } catch (const std::bad_alloc&) {
        refused = true;
    }
    co_await stage5::yield(); // its next turn is its own again, and not the read's
}

} // namespace

TEST_CASE("stage5: reads and writes allocate nothing, waiting or not", "[TestTCPReadWriteAllocs]") {
    in_a_world(1, []() -> task<> {
        const tcp_ends both;
        group other;
        other.go(echo(both.b));
        std::array<char, 100> buffer{};
        long before = 0;
        for (int i = 0; i < 2000; ++i) {
            if (i == 1000) before = allocations::count; // until then lists may still grow
            static_cast<void>(both.a.set_read_deadline(stage5::net::after(std::chrono::hours(1))));
            const auto sent = co_await both.a.write(std::span<const char>(buffer));
            const auto got = co_await both.a.read(std::span(buffer));
            if (!sent || !got) co_return expect(false, said(got));
        }
        expect_same(std::to_string(allocations::count - before), "0");
        both.a.close_now();
        co_await other.wait();
    });
}

TEST_CASE("stage5: who finds no memory for a place in line fails, and those before it do not") {
    in_a_world(1, []() -> task<> {
        const tcp_ends both;
        group readers;
        int waiting = 0;
        int came = 0;
        bool refused = false;
        while (!refused && waiting < 100) { // the line may have had room for some
            readers.go(read_byte(both.a, came, refused));
            {
                const allocations::failing none(1);
                co_await stage5::yield();
            }
            if (!refused) ++waiting;
        }
        expect(refused, "no place");
        const std::string bytes(100, 'x');
        const auto sent = co_await both.b.write(bytes);
        expect_same(said(sent), "ok");
        co_await readers.wait();
        expect_same(std::to_string(came), std::to_string(waiting));
    });
}

TEST_CASE("stage5 bufio: who has given all lines and waits for the next one keeps no memory") {
    if (is_left_out()) return;
    in_a_world(1, []() -> task<> {
        const tcp_ends both;
        group other;
        int lines = 0;
        other.go(count_lines(both.b, lines));
        std::string line(3000, 'x'), answer(3001, '\0');
        line += '\n';
        const auto sent = co_await both.a.write(line);
        expect_same(said(sent), "ok");
        const bool echoed = co_await comes_true([&] { return lines == 1; });
        expect(echoed, "a line");
        const long with_it = allocations::bytes_in_use;
        both.a.close_now();
        co_await other.wait();
        const long without = allocations::bytes_in_use;
        expect(with_it - without < 2500, std::to_string(with_it - without) + " bytes are kept");
    });
}

TEST_CASE(
    "stage5 server: a connection that has echoed once and is idle takes 330 bytes of memory") {
#ifdef __OPTIMIZE__
    constexpr bool optimised = true;
#else
    constexpr bool optimised = false;
#endif
    if (harness::sanitized || !optimised) {
        WARN("left out: frames have other sizes in this build");
        return;
    }
    const auto server = harness::server::ours(harness::stage_program(5), {"--threads", "1"},
                                              "127.0.0.1:0");
    harness::crowd clients(server->where());
    constexpr int count = 2000;
    clients.join_and_echo(200, 64);
    const auto before = harness::memory(server->pid()).anonymous;
    clients.join_and_echo(count, 64);
    const auto after = harness::memory(server->pid()).anonymous;
    INFO("bytes a connection: " << (after - before) / count);
    const int translated = harness::emulated ? 256 * 1024 : 0; // code that ran for the first time
    CHECK(after - before <= 330 * count + translated);
}
