/// \file
/// One stage's server under clients of all kinds for a while, while its memory, its descriptors
/// and its processor time are looked at:
///
///     soak STAGE SECONDS [FILE.csv] [SEED]
///
/// What it sees goes into the file as well, to be drawn by soak_plot.py.
/// The exit status is 0 if nobody lost a byte, nothing of a client is left at the end, and memory
/// is not more than 2 % above what it was early on: the last minute's median above that of the
/// second minute (or of the second tenth of the time, if that is shorter; and 256 KiB are always
/// allowed). How many clients are there at one moment is chance; of a minute it is not.

#include "faults/soak_record.hpp"
#include "harness/client.hpp"
#include "harness/crowd.hpp"
#include "harness/proc.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace harness;
using namespace faults_tests;

namespace {

using rng = std::mt19937_64;

/// What the clients have seen, all threads together.
struct tally {
    std::atomic<std::uint64_t> clients = 0, bytes = 0;
    std::mutex mutex; // protects what follows
    std::vector<std::string> complaints;

    void complain(const std::string& what) {
        const std::scoped_lock lock(mutex);
        if (complaints.size() < 10) complaints.push_back(what);
    }
};

void talks(const endpoint& to, rng& random, tally& all) {
    const auto seed = random();
    const auto size = 1 + random() % 300'000;
    client(to).exchange({.bytes = pattern(seed),
                         .size = size,
                         .next_piece = random_sizes(seed, 20'000),
                         .half_close = true});
    all.bytes += size;
}

void takes_little_at_a_time(const endpoint& to, rng& random, tally& all) {
    const auto size = 1 + random() % 20'000;
    client(to, 2304).exchange(
        {.bytes = pattern(random()), .size = size, .half_close = true, .read_size = 7});
    all.bytes += size;
}

void sends_bytes(const endpoint& to, rng& random, tally& all) {
    client one(to);
    const auto count = 1 + random() % 50;
    for (std::size_t i = 0; i < count; ++i) one.echo(std::string(1, static_cast<char>(random())));
    one.send_urgent('!');
    all.bytes += count;
}

void resets(const endpoint& to, rng& random, tally& /*all*/) {
    client one(to, 4096);
    const auto sent = one.send_some(pattern(1).text(1 + random() % 200'000));
    one.receive_exactly(random() % (std::min<std::size_t>(sent, 3000) + 1));
    if (random() % 2 == 0) one.shutdown_write();
    one.reset();
}

void never_reads(const endpoint& to, rng& /*random*/, tally& /*all*/) {
    client one(to, 4096);
    one.send_until_stuck(pattern(2), 8'000'000, milliseconds(20));
}

void comes_and_goes(const endpoint& to, rng& random, tally& all) {
    for (int i = 0; i < 20; ++i) {
        client one(to);
        if (random() % 2 == 0) one.reset();
        ++all.clients;
    }
}

void comes_in_crowds(const endpoint& to, rng& random, tally& all) {
    crowd many(to);
    many.join_and_echo(100, 100);
    many.echo(1000);
    all.clients += 100;
    all.bytes += 100'000;
    if (random() % 2 == 0) many.vanish(10'000);
}

using kind = void (*)(const endpoint&, rng&, tally&);
constexpr std::array<kind, 7> kinds{&talks,       &takes_little_at_a_time, &sends_bytes,    &resets,
                                    &never_reads, &comes_and_goes,         &comes_in_crowds};

/// One of several threads that are clients, one after another.
void play(const endpoint& to, std::uint64_t seed, const deadline& end, tally& all) {
    rng random(seed);
    while (!end.over()) {
        const auto which = random() % kinds.size();
        try {
            kinds.at(which)(to, random, all);
        } catch (const std::exception& error) {
            all.complain(fmt::format("client kind {}: {}", which, error.what()));
        }
        ++all.clients;
    }
}

/// What memory was most of the time, from one moment to another.
std::int64_t usual_memory(const std::vector<sample>& seen, double from, double to) {
    std::vector<std::int64_t> sizes;
    for (const auto& each : seen)
        if (each.seconds >= from && each.seconds <= to) sizes.push_back(each.resident);
    if (sizes.empty()) throw failure("nobody looked at the server");
    const auto middle = sizes.begin() + static_cast<std::ptrdiff_t>(sizes.size() / 2);
    std::ranges::nth_element(sizes, middle);
    return *middle;
}

/// \return whether it passed
bool verdict(watched_server& at, const sample& before, const std::vector<sample>& seen,
             tally& all) {
    bool passed = true;
    const auto check_that = [&](bool holds, const std::string& what) {
        fmt::print("{}: {}\n", holds ? "ok" : "FAILED", what);
        passed = passed && holds;
    };
    for (const auto& each : all.complaints) fmt::print("  {}\n", each);
    check_that(all.complaints.empty(), "no client lost anything");
    auto after = at.look();
    wait_for([&] {
        after = at.look();
        return after.descriptors <= before.descriptors && after.frames <= before.frames;
    });
    check_that(
        after.descriptors <= before.descriptors,
        fmt::format("descriptors: {} before, {} after", before.descriptors, after.descriptors));
    if (before.frames && after.frames)
        check_that(
            *after.frames <= *before.frames,
            fmt::format("coroutine frames: {} before, {} after", *before.frames, *after.frames));
    const double end = seen.empty() ? 0 : seen.back().seconds;
    const double window = std::min(60.0, end / 10);
    const auto early = usual_memory(seen, window, 2 * window);
    const auto late = usual_memory(seen, end - window, end);
    check_that(late <= early + std::max<std::int64_t>(early / 50, 256 * 1024),
               fmt::format("memory: {} KiB early, {} KiB at the end, {:+.1f} %", early / 1024,
                           late / 1024,
                           100.0 * static_cast<double>(late - early) / static_cast<double>(early)));
    const cpu_meter meter(at->pid());
    std::this_thread::sleep_for(milliseconds(500)); // nobody is there: this is what it costs
    check_that(meter.share() < 0.05,
               fmt::format("at rest {:.1f} % of a core", meter.share() * 100));
    return passed;
}

void print(const sample& now, const tally& all) {
    fmt::print("{:7.1f} s {:9} clients {:8} MB echoed {:8} KiB {:5} descriptors {} {:5.2f} cores\n",
               now.seconds, all.clients.load(), all.bytes.load() / 1'000'000, now.resident / 1024,
               now.descriptors, now.frames ? fmt::format("{:5} frames", *now.frames) : "",
               now.cores);
    std::fflush(stdout);
}

/// Looks at the server until the clients have played long enough.
std::vector<sample> watch(watched_server& at, const deadline& end, milliseconds how_long,
                          const tally& all, record& written) {
    const milliseconds pause = std::min<milliseconds>(std::chrono::seconds(1), how_long / 100);
    const milliseconds between = std::min<milliseconds>(std::chrono::seconds(10), how_long / 10);
    std::vector<sample> seen;
    milliseconds printed{0};
    while (!end.over() && at->running()) {
        std::this_thread::sleep_for(std::min(pause, milliseconds(end.left_ms())));
        const auto now = at.look();
        const milliseconds passed(static_cast<std::int64_t>(now.seconds * 1000));
        seen.push_back(now);
        written.add(now, all.clients, all.bytes);
        if (passed - printed < between && !end.over()) continue;
        printed = passed;
        print(now, all);
    }
    return seen;
}

bool soak(int stage, std::chrono::seconds how_long, const std::string& file, std::uint64_t seed) {
    record written(file);
    watched_server at(stage);
    fmt::print("stage {}, {} s, seed {}\n", stage, how_long.count(), seed);
    { client(at->where()).echo("hello"); }
    std::this_thread::sleep_for(milliseconds(300)); // until it has left, and is not counted
    const auto empty = at.look();
    { // more than will ever be there at once: what a server keeps for the next ones, it has then
        crowd most(at->where());
        most.join_and_echo(700, 1000);
    }
    wait_for([&] { return at.look().descriptors <= empty.descriptors; });
    std::this_thread::sleep_for(
        milliseconds(300)); // until the last of them is not counted any more
    const auto before = at.look();
    at.begin();
    std::vector<sample> seen;
    tally all;
    {
        std::vector<std::jthread> clients;
        const deadline end(how_long);
        for (std::uint64_t i = 0; i < 6; ++i)
            clients.emplace_back([&, i] { play(at->where(), seed + i, end, all); });
        seen = watch(at, end, how_long, all, written);
    }
    if (!at->running()) {
        fmt::print("FAILED: the server ended: {}\n{}", at->wait_exit()->to_string(), at->err());
        return false;
    }
    const bool passed = verdict(at, before, seen, all);
    written.add(at.look(), all.clients, all.bytes); // at rest
    return at->stop(SIGTERM).ok() && passed;
}

} // namespace

int main(int count, char** words) {
    const std::vector<std::string> arguments(words + 1, words + count);
    if (arguments.size() < 2) {
        fmt::print(stderr, "soak STAGE SECONDS [FILE.csv] [SEED]\n");
        return 2;
    }
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    const std::uint64_t seed = arguments.size() > 3 ? std::stoull(arguments[3])
                                                    : std::random_device{}();
    try {
        const std::chrono::seconds how_long(std::stol(arguments[1]));
        const auto file = arguments.size() > 2 ? arguments[2] : "";
        return soak(std::stoi(arguments[0]), how_long, file, seed) ? 0 : 1;
    } catch (const std::exception& error) {
        fmt::print(stderr, "soak: {}\n", error.what());
        return 2;
    }
}
