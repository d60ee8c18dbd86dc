/// \file
/// Drives an echo server of this machine, as many clients in one thread, and prints what it cost:
/// one JSON object with echoes, latencies, and the server's processor time and memory. It finds
/// out by itself when it, and not the server, was what limited the result.

#include "load/modes.hpp"

#include "harness/pidfd.hpp"
#include "harness/proc.hpp"
#include "harness/server.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

namespace {

using namespace bench;
using std::chrono::nanoseconds;

/// The server under load: one that runs, or one that is ours and ends with us.
struct subject {
    std::unique_ptr<harness::server> started;
    harness::endpoint where;
    std::optional<pid_t> pid; // unknown: then nothing of it can be measured
    harness::unique_fd pidfd;

    /// Its connections may end a moment before it does.
    [[nodiscard]] bool died() const {
        constexpr int moment_ms = 200;
        pollfd end{pidfd.get(), POLLIN, 0};
        return pidfd && ::poll(&end, 1, moment_ms) == 1;
    }
};

subject find(const options& asked) {
    if (asked.server.empty())
        return {nullptr, harness::parse_endpoint(asked.address), asked.pid,
                asked.pid ? harness::open_process(*asked.pid) : harness::unique_fd()};
    auto started = harness::server::foreign(asked.server);
    const auto where = started->where();
    const pid_t pid = started->pid();
    return {std::move(started), where, pid, harness::open_process(pid)};
}

/// The clocks at one end of the window.
struct reading {
    nanotime time = 0;
    nanoseconds server{}, own{};
};

reading read_clocks(const subject& server) {
    return {now(), server.pid ? harness::cpu_time(*server.pid) : nanoseconds(0),
            harness::cpu_time(::getpid())};
}

/// What the server keeps in memory of its own: not the program's file, not the kernel's buffers.
std::int64_t user_memory(const subject& server) {
    return server.pid ? harness::memory(*server.pid).anonymous : 0;
}

struct measured {
    reading begin, end;
    std::int64_t fresh_bytes = 0;           // before the first connection
    std::optional<std::int64_t> idle_bytes; // with all idle connections there, and no other
    std::int64_t busy_bytes = 0;            // after the window, everybody still there
    outcome result;
};

measured measure(const options& asked, const subject& server) {
    measured all;
    const auto say = [](const std::string& text) {
        fmt::print(stderr, "load_generator: {}\n", text);
    };
    const watcher told{[&] { all.begin = read_clocks(server); },
                       [&] { all.end = read_clocks(server); }, say};
    all.fresh_bytes = user_memory(server);
    clients idle(server.where, asked.size);
    if (asked.idle > 0) {
        open_and_echo(idle, asked.idle, asked.size, told);
        all.idle_bytes = user_memory(server);
    }
    clients busy(server.where, asked.size);
    all.result = run(busy, asked, told);
    all.busy_bytes = user_memory(server);
    return all;
}

/// Says whether the load generator or the server used all of its processor time: more connections
/// would not have brought more echoes.
const char* limit_of(double own, double server, bool knows_server) {
    constexpr double all_of_it = 0.95, much = 0.9;
    if (own < all_of_it) return knows_server && server >= much ? "server" : "none";
    return knows_server && server >= much ? "both" : "generator";
}

void print_latency(const histogram& latency) {
    fmt::print(R"("latency_ns":{{"count":{},"mean":{:.0f},"p50":{},"p90":{},"p99":{},)"
               R"("p999":{},"max":{}}},)",
               latency.count(), latency.mean(), latency.percentile(0.5), latency.percentile(0.9),
               latency.percentile(0.99), latency.percentile(0.999), latency.max());
}

void print_server(const options& asked, const measured& all, double share) {
    const auto used = (all.end.server - all.begin.server).count();
    const auto per_message = static_cast<double>(used) /
                             static_cast<double>(std::max<std::uint64_t>(1, all.result.messages));
    fmt::print(R"("server":{{"cpu_ns":{},"cpu_ns_per_message":{:.1f},"cpu_share":{:.4f},)", used,
               per_message, share);
    fmt::print(R"("memory_fresh":{},"memory_busy":{})", all.fresh_bytes, all.busy_bytes);
    if (all.idle_bytes)
        fmt::print(R"(,"memory_idle":{},"memory_per_idle":{:.1f})", *all.idle_bytes,
                   static_cast<double>(*all.idle_bytes - all.fresh_bytes) /
                       static_cast<double>(asked.idle));
    fmt::print("}},");
}

void print_json(const options& asked, const measured& all, bool knows_server) {
    const auto nanos = static_cast<double>(all.end.time - all.begin.time);
    const auto per_second = [&](std::uint64_t count) {
        return static_cast<double>(count) * 1e9 / nanos;
    };
    const double own = static_cast<double>((all.end.own - all.begin.own).count()) / nanos;
    const double server = static_cast<double>((all.end.server - all.begin.server).count()) / nanos;
    fmt::print(R"({{"mode":"{}","connections":{},"idle":{},"size":{},"seconds":{:.6f},)",
               asked.mode_name, asked.connections, asked.idle, asked.size, nanos / 1e9);
    fmt::print(R"("messages":{},"messages_per_second":{:.1f},"bytes_per_second":{:.1f},)",
               all.result.messages, per_second(all.result.messages), per_second(all.result.bytes));
    print_latency(all.result.latency);
    if (knows_server) print_server(asked, all, server);
    fmt::print(R"("generator_cpu_share":{:.4f},"limit":"{}"}})", own,
               limit_of(own, server, knows_server));
    fmt::print("\n");
}

std::string in_one_line(std::string text) {
    while (text.ends_with('\n')) text.pop_back();
    std::ranges::replace(text, '\n', ' ');
    return text;
}

} // namespace

int main(int argc, char** argv) {
    const auto asked = parse_options(argc, argv);
    if (!asked) return asked.error();
    ::prctl(PR_SET_TIMERSLACK, 1UL); // or the kernel rounds our waits up by 50 us
    std::optional<subject> server;
    try {
        server = find(*asked);
        const measured all = measure(*asked, *server);
        print_json(*asked, all, server->pid.has_value());
        return 0;
    } catch (const std::exception& error) {
        const bool died = server && server->died();
        fmt::print(stderr, "load_generator: {}{}\n", died ? "the server has died: " : "",
                   in_one_line(error.what()));
        return 1;
    }
}
