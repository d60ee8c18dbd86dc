/// \file
/// Stage 5's line reader: however a stream is cut into pieces, its lines are those that one finds
/// by looking at all of it, and no byte is lost. Each byte of an input sends a piece of so many
/// letters, with a newline behind it or without.

#include "fuzz/fuzz.hpp"
#include "stage5_coroutines/bufio.hpp"
#include "stage5_coroutines/scheduler.hpp"

#include <sys/socket.h>

#include <array>
#include <string>
#include <vector>

namespace {

using stage5::task;
using stage5::net::conn;

task<> write_pieces(conn to, std::vector<std::string> pieces) {
    for (const auto& each : pieces) {
        auto writing = to.write(each);
        const auto written = co_await writing;
        fuzz::must(written.has_value(), "a write failed");
        co_await stage5::yield(); // the reader sees it by itself
    }
    static_cast<void>(to.close_write());
}

task<> read_lines(conn from, std::vector<std::string>* into) {
    stage5::bufio::reader reader(from);
    while (true) {
        const auto line = co_await reader.read_line();
        if (!line) {
            into->emplace_back("too long");
            break;
        }
        if (line->empty()) break;
        into->emplace_back(*line);
    }
    stage5::scheduler::current().stop();
}

/// The same by looking at all of it.
std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
        const auto newline = text.find('\n', at);
        const auto end = newline == std::string::npos ? text.size() : newline + 1;
        // A line that fills the buffer without a newline in it is one too many, the last one, too.
        const bool has_newline = newline != std::string::npos;
        if (end - at > stage5::bufio::longest_line ||
            (!has_newline && end - at == stage5::bufio::longest_line)) {
            lines.emplace_back("too long");
            break;
        }
        lines.push_back(text.substr(at, end - at));
        at = end;
    }
    return lines;
}

std::vector<std::string> pieces_of(fuzz::input in) {
    std::vector<std::string> pieces;
    while (!in.empty() && pieces.size() < 40) {
        const auto what = in.byte();
        // Now and then a piece that is about as long as a line may be.
        const std::size_t size = what >= 0xfc ? stage5::bufio::longest_line - 2 + (what & 3U)
                                              : (what & 63U);
        std::string piece(size, static_cast<char>('a' + pieces.size() % 26));
        if ((what & 64U) != 0) piece.push_back('\n');
        if ((what & 128U) != 0 && !piece.empty()) piece[piece.size() / 2] = '\n';
        if (!piece.empty()) pieces.push_back(std::move(piece));
    }
    return pieces;
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto pieces = pieces_of({data, size});
    std::string all;
    for (const auto& each : pieces) all += each;

    const auto runtime = stage5::scheduler::make(1);
    fuzz::must(runtime.has_value(), "no scheduler");
    std::array<int, 2> ends{};
    fuzz::must(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) ==
                   0,
               "no sockets");
    std::vector<std::string> lines;
    {
        auto from = stage5::fd::open(stage5::unique_fd(ends[0]), {});
        auto to = stage5::fd::open(stage5::unique_fd(ends[1]), {});
        fuzz::must(from && to, "no descriptors");
        go(read_lines(conn(std::move(*from)), &lines));
        go(write_pieces(conn(std::move(*to)), pieces));
    }
    (*runtime)->run();
    fuzz::must(lines == lines_of(all), "other lines");
    return 0;
}
