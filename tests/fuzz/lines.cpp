/// \file
/// Stage 5's line reader: however a stream is cut into pieces, its lines are those that one finds
/// by looking at all of it, and no byte is lost. Each byte of an input sends a piece of so many
/// letters, with a newline behind it or without.

#include "fuzz/fuzz.hpp"
#include "stage5_coroutines/net/bufio.hpp"
#include "stage5_coroutines/runtime/frame_cache.hpp"
#include "stage5_coroutines/runtime/scheduler.hpp"
#include "stage5_coroutines/runtime/time.hpp"

#include <sys/socket.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace {

using stage5::task;
using stage5::net::conn;

/// Makes scheduler::run() return when both have ended, without stop(): a stopped scheduler can't
/// run again, and making one for each input would take ten times as long as the input.
struct ending : stage5::runnable {
    struct reached {};
    ending() : runnable([](runnable&) { throw reached{}; }) {}
    int left = 2; ///< coroutines
    void one_less() {
        if (--left == 0) stage5::ready(*this);
    }
};

constexpr std::string_view too_long = "too long"; ///< no line: it has no newline, and is not last

task<> write_pieces(conn to, const std::vector<std::string_view>* pieces, ending* end) {
    for (const auto each : *pieces) {
        const auto written = co_await to.write(each);
        fuzz::must(written.has_value(), "a write failed");
        co_await stage5::yield(); // the reader sees it by itself
    }
    static_cast<void>(to.close_write());
    end->one_less();
}

task<> read_lines(conn from, const std::vector<std::string_view>* lines, ending* end) {
    stage5::bufio::reader reader(from);
    auto next = lines->begin();
    while (true) {
        const auto line = co_await reader.read_line();
        if (line && line->empty()) break;
        fuzz::must(next != lines->end() && (line ? *line : too_long) == *next, "other lines");
        ++next;
        if (!line) break;
    }
    fuzz::must(next == lines->end(), "a line is missing");
    while (true) { // so that the writer comes to its end
        const auto rest = co_await from.read();
        if (!rest || rest->empty()) break;
    }
    end->one_less();
}

/// Returns the lines that read_line() must find, by looking at the whole text.
std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    for (std::size_t at = 0; at < text.size();) {
        const auto newline = text.find('\n', at);
        const auto end = newline == std::string_view::npos ? text.size() : newline + 1;
        // A line that fills the buffer without a newline in it is one too many, the last one, too.
        const bool has_newline = newline != std::string_view::npos;
        if (end - at > stage5::bufio::longest_line ||
            (!has_newline && end - at == stage5::bufio::longest_line)) {
            lines.push_back(too_long);
            break;
        }
        lines.push_back(text.substr(at, end - at));
        at = end;
    }
    return lines;
}

/// \param all where they are, one behind the other
std::vector<std::string_view> pieces_of(fuzz::input in, std::string& all) {
    std::vector<std::size_t> sizes;
    all.clear();
    // Two long lines and something between them: more are the same again.
    while (!in.empty() && sizes.size() < 40 && all.size() < 2 * stage5::bufio::longest_line) {
        const auto what = in.byte();
        // Now and then a piece that is about as long as a line may be.
        const bool is_long = what >= 0xf8;
        const std::size_t size = is_long ? stage5::bufio::longest_line - 2 + (what & 3U)
                                         : (what & 63U);
        const auto begin = all.size();
        all.append(size, static_cast<char>('a' + sizes.size() % 26));
        if ((what & (is_long ? 4U : 64U)) != 0) all.push_back('\n');
        if (all.size() == begin) continue;
        if (!is_long && (what & 128U) != 0) all[begin + (all.size() - begin) / 2] = '\n';
        sizes.push_back(all.size() - begin);
    }
    std::vector<std::string_view> pieces;
    std::size_t at = 0;
    for (const auto size : sizes) {
        pieces.push_back(std::string_view(all).substr(at, size));
        at += size;
    }
    return pieces;
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static std::string all; // its memory is the next one's
    const auto pieces = pieces_of({data, size}, all);
    const auto lines = lines_of(all);

    static const auto runtime = stage5::scheduler::make(1);
    fuzz::must(runtime.has_value(), "no scheduler");
    const long frames = stage5::frame_cache::live();
    std::array<int, 2> ends{};
    fuzz::must(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) ==
                   0,
               "no sockets");
    ending end;
    {
        auto from = stage5::fd::open(stage5::unique_fd(ends[0]), {});
        auto to = stage5::fd::open(stage5::unique_fd(ends[1]), {});
        fuzz::must(from && to, "no descriptors");
        go(read_lines(conn(std::move(*from)), &lines, &end));
        go(write_pieces(conn(std::move(*to)), &pieces, &end));
    }
    bool reached = false;
    try {
        (*runtime)->run();
    } catch (const ending::reached&) {
        reached = true;
    }
    fuzz::must(reached, "it returned before its end");
    fuzz::must(stage5::frame_cache::live() == frames, "a coroutine is left");
    return 0;
}
