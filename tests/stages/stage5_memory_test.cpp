/// \file
/// What waiting costs in memory: nothing for a call, nothing kept between lines, and few bytes for
/// a connection that is idle; and whom it costs something that there is none. This program's
/// operator new counts, and fails if it is told to.

#include "harness/crowd.hpp"
#include "harness/proc.hpp"
#include "harness/programs.hpp"
#include "harness/server.hpp"
#include "stage5_coroutines/bufio.hpp"
#include "stages/stage5_tools.hpp"

#include <malloc.h>

#include <cstdlib>
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

std::atomic<long> allocations = 0;
std::atomic<long> bytes_in_use = 0;
std::atomic<bool> exhausted = false; ///< there is no more memory

/// Warns, if so.
bool is_left_out() {
    if (harness::sanitized) WARN("left out: the sanitizers have an operator new of their own");
    return harness::sanitized;
}

[[maybe_unused]] long size_of(void* memory) {
    return static_cast<long>(::malloc_usable_size(memory));
}

} // namespace

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) // those have their own
void* operator new(std::size_t size) {
    void* const made = exhausted ? nullptr : std::malloc(size);
    if (made == nullptr) throw std::bad_alloc();
    ++allocations;
    bytes_in_use += size_of(made);
    return made;
}

void operator delete(void* memory) noexcept {
    if (memory != nullptr) bytes_in_use -= size_of(memory);
    std::free(memory);
}

void operator delete(void* memory, std::size_t) noexcept {
    operator delete(memory);
}
#endif

namespace {

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
}

} // namespace

TEST_CASE("stage5: reads and writes allocate nothing, waiting or not", "[TestTCPReadWriteAllocs]") {
    if (is_left_out()) return;
    in_a_world(1, []() -> task<> {
        const tcp_ends both;
        group other;
        other.go(echo(both.b));
        std::array<char, 100> buffer{};
        long before = 0;
        for (int i = 0; i < 2000; ++i) {
            if (i == 1000) before = allocations; // until then lists may still grow
            static_cast<void>(both.a.set_read_deadline(stage5::net::after(std::chrono::hours(1))));
            const auto sent = co_await both.a.write(std::span<const char>(buffer));
            const auto got = co_await both.a.read(std::span(buffer));
            if (!sent || !got) co_return expect(false, said(got));
        }
        expect_same(std::to_string(allocations - before), "0");
        both.a.evict();
        co_await other.wait();
    });
}

TEST_CASE("stage5: who finds no memory for a place in line fails, and those before it do not") {
    if (is_left_out()) return;
    in_a_world(1, []() -> task<> {
        const tcp_ends both;
        group readers;
        int waiting = 0;
        int came = 0;
        bool refused = false;
        while (!refused && waiting < 100) { // the line may have had room for some
            readers.go(read_byte(both.a, came, refused));
            exhausted = true;
            co_await stage5::yield();
            exhausted = false;
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
        const long with_it = bytes_in_use;
        both.a.evict();
        co_await other.wait();
        const long without = bytes_in_use;
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
