/// \file
/// Lines, however they arrive; writes that are collected; several buffers as one.

#include "stage5_coroutines/net/bufio.hpp"
#include "stages/stage5_tools.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <span>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
using stage5::task;
using stage5::net::conn;
using stage5_tools::ends;
using stage5_tools::expect;
using stage5_tools::expect_same;
using stage5_tools::group;
using stage5_tools::in_a_world;
using stage5_tools::read_all;
using stage5_tools::said;
using stage5_tools::tcp_ends;
namespace bufio = stage5::bufio;

namespace {

task<> write_pieces(conn to, std::vector<std::string> pieces) {
    for (const auto& each : pieces) {
        const auto written = co_await to.write(each);
        expect_same(said(written), "ok");
        co_await stage5::sleep_for(1ms); // so that each is read by itself
    }
    static_cast<void>(to.close_write());
}

/// The next line; "end", or the error's text.
task<std::string> line_of(bufio::reader& from) {
    const auto line = co_await from.read_line();
    if (!line) co_return said(line);
    co_return line->empty() ? std::string("end") : std::string(*line);
}

std::vector<std::string> list(std::string a, std::string b = "", std::string c = "") {
    return {std::move(a), std::move(b), std::move(c)};
}

task<> keep_all(conn from, std::string& into) {
    auto all = co_await read_all(from);
    into = std::move(all);
}

/// What the n-th chunk of a test holds.
std::string chunk(std::size_t n) {
    return fmt::format("{};", n);
}

} // namespace

TEST_CASE("stage5 bufio: a line is whole, however many reads it takes") {
    in_a_world(2, []() -> task<> {
        const ends both;
        group writer;
        writer.go(write_pieces(both.a, list("he", "llo\nwor", "ld\n")));
        bufio::reader reader(both.b);
        expect_same(co_await line_of(reader), "hello\n");
        expect_same(reader.buffered(), "wor");
        expect(!reader.has_line(), "half a line is none");
        expect_same(co_await line_of(reader), "world\n");
        expect_same(co_await line_of(reader), "end");
        expect_same(co_await line_of(reader), "end");
        co_await writer.wait();
    });
}

TEST_CASE("stage5 bufio: many lines that come at once are given one by one") {
    in_a_world(1, []() -> task<> {
        const ends both;
        std::string all;
        for (int i = 0; i < 5000; ++i) all += std::to_string(i) + "\n";
        group writer;
        writer.go(write_pieces(both.a, list(all + "\n\nlast, without")));
        bufio::reader reader(both.b);
        bool same = true;
        for (int i = 0; i < 5000; ++i) {
            const auto line = co_await line_of(reader);
            same = same && line == std::to_string(i) + "\n";
        }
        expect(same, "each in its turn");
        expect(reader.has_line(), "more of them");
        expect_same(co_await line_of(reader), "\n");
        expect_same(co_await line_of(reader), "\n");
        expect_same(co_await line_of(reader), "last, without");
        expect_same(co_await line_of(reader), "end");
        co_await writer.wait();
    });
}

TEST_CASE("stage5 bufio: the longest line is 64 KiB, and a byte more is an error and not memory") {
    in_a_world(2, []() -> task<> {
        const std::string longest(bufio::longest_line - 1, 'x');
        const tcp_ends fits, does_not;
        group writers;
        writers.go(write_pieces(fits.a, list("a\n", longest + "\nb\n")));
        writers.go(write_pieces(does_not.a, list("a\n", longest + "x\nb\n")));
        bufio::reader good(fits.b);
        bufio::reader bad(does_not.b);
        expect_same(co_await line_of(good), "a\n");
        const auto line = co_await line_of(good);
        expect(line.size() == bufio::longest_line && line.ends_with("x\n"), "the longest");
        expect_same(co_await line_of(good), "b\n");
        expect_same(co_await line_of(bad), "a\n");
        const auto wrong = "read " + stage5_tools::ends_of(does_not.b) + ": bufio: line too long";
        for (int i = 0; i < 2; ++i) expect_same(co_await line_of(bad), wrong);
        expect(bad.buffered().size() == bufio::longest_line, "and no more than that is kept");
        co_await writers.wait();
    });
}

TEST_CASE("stage5 bufio: a line that a deadline has interrupted is whole when the rest has come") {
    in_a_world(2, []() -> task<> {
        const ends both;
        bufio::reader reader(both.b);
        const auto first = co_await both.a.write(std::string_view("half"));
        expect_same(said(first), "ok");
        static_cast<void>(both.b.set_read_deadline(stage5::net::after(5ms)));
        const auto late = co_await reader.read_line();
        expect(!late && late.error().is_timeout(), said(late));
        static_cast<void>(both.b.set_read_deadline({}));
        const auto second = co_await both.a.write(std::string_view(" and half\n"));
        expect_same(said(second), "ok");
        expect_same(co_await line_of(reader), "half and half\n");
    });
}

TEST_CASE("stage5 bufio: what is written small or large arrives in order, at the flush at last") {
    in_a_world(2, []() -> task<> {
        const tcp_ends both;
        std::string wanted, got;
        group reader;
        reader.go(keep_all(both.b, got));
        bufio::writer writer(both.a);
        for (int i = 0; i < 300; ++i) {
            // From some bytes to more than the kernel takes at once.
            const auto size = static_cast<std::size_t>(i % 60 == 59 ? 500'000 : i * 37 % 6000);
            const std::string piece(size, static_cast<char>('a' + i % 26));
            wanted += piece;
            const auto written = co_await writer.write(piece);
            expect_same(said(written), "ok");
            if (i % 100 != 50) continue;
            const auto flushed = co_await writer.flush();
            expect_same(said(flushed), "ok");
        }
        const auto flushed = co_await writer.flush();
        expect_same(said(flushed), "ok");
        const auto nothing = co_await writer.flush();
        expect_same(said(nothing), "ok");
        static_cast<void>(both.a.close_write());
        co_await reader.wait();
        expect(got == wanted, "every byte, in order");
    });
}

TEST_CASE("stage5 bufio: a flush that fails says why") {
    in_a_world(1, []() -> task<> {
        const tcp_ends both;
        bufio::writer writer(both.a);
        expect_same(said(co_await writer.write("collected")), "ok");
        both.a.close_now();
        expect_same(said(co_await writer.flush()), "write " + stage5_tools::ends_of(both.a) +
                                                       ": use of closed network connection");
    });
}

TEST_CASE("stage5 net: any number of buffers is written as one", "[TestBuffers_WriteTo]") {
    in_a_world(2, []() -> task<> {
        for (const std::size_t count : std::array<std::size_t, 6>{0, 1, 10, 1023, 1024, 1025}) {
            const tcp_ends both;
            std::vector<std::string> chunks;
            std::string wanted, got;
            for (std::size_t i = 0; i < count; ++i) {
                chunks.push_back(i % 7 == 3 ? "" : chunk(i)); // empty ones, too
                wanted += chunks.back();
            }
            const std::vector<std::span<const char>> parts(chunks.begin(), chunks.end());
            group reader;
            reader.go(keep_all(both.b, got));
            const auto written = co_await both.a.writev(parts);
            expect_same(said(written), "ok");
            static_cast<void>(both.a.close_write());
            co_await reader.wait();
            expect(got == wanted, fmt::format("{} buffers", count));
        }
    });
}

TEST_CASE("stage5 net: more buffers than fit wait and go on in the middle of one",
          "[TestBuffers_WriteTo]") {
    in_a_world(2, []() -> task<> {
        const tcp_ends both;
        const std::string large(70'001, 'l');
        std::string wanted, got;
        std::vector<std::span<const char>> parts;
        for (int i = 0; i < 200; ++i) {
            parts.emplace_back(large);
            wanted += large;
        }
        group reader;
        reader.go(keep_all(both.b, got)); // begins when the write has to wait
        const auto written = co_await both.a.writev(parts);
        expect_same(said(written), "ok");
        static_cast<void>(both.a.close_write());
        co_await reader.wait();
        expect(got == wanted, "every byte");
    });
}

TEST_CASE("stage5 net: buffers that fail in the middle say how much was written",
          "[TestWritevError]") {
    in_a_world(2, []() -> task<> {
        const tcp_ends both;
        const std::string large(1'000'000, 'l');
        const std::vector<std::span<const char>> parts(20, large);
        static_cast<void>(both.a.set_write_deadline(stage5::net::after(20ms)));
        const auto written = co_await both.a.writev(parts);
        if (written) co_return expect(false, "nobody has read it");
        expect(written.error().is_timeout(), said(written));
        static_cast<void>(both.a.close_write());
        const auto got = co_await read_all(both.b);
        expect(written.error().done() == got.size(), "what was written is what arrives");
        expect(!got.empty() && got.size() < 20 * large.size(), "a part");
    });
}
