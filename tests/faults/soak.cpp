/// \file
/// One stage's server under clients of all kinds for a while, while its memory, its descriptors
/// and its processor time are looked at:
///
///     soak STAGE SECONDS [SEED]
///
/// The exit status is 0 if nobody lost a byte, nothing of a client is left at the end, and memory
/// is not more than 2 % above what it was after the first minute (or a tenth of the time, if that
/// is shorter; and 256 KiB are always allowed).

#include "harness/child.hpp"
#include "harness/client.hpp"
#include "harness/crowd.hpp"
#include "harness/proc.hpp"
#include "harness/programs.hpp"
#include "harness/server.hpp"

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

struct sample {
    std::int64_t resident = 0;
    std::size_t descriptors = 0;
};

sample look(const server& at) {
    return {memory(at.pid()).resident, descriptor_count(at.pid())};
}

/// \return whether it passed
bool verdict(const server& at, const sample& before, const sample& first, const sample& last,
             tally& all) {
    bool passed = true;
    const auto check_that = [&](bool holds, const std::string& what) {
        fmt::print("{}: {}\n", holds ? "ok" : "FAILED", what);
        passed = passed && holds;
    };
    for (const auto& each : all.complaints) fmt::print("  {}\n", each);
    check_that(all.complaints.empty(), "no client lost anything");
    const auto all_closed = [&] { return descriptor_count(at.pid()) <= before.descriptors; };
    const bool closed = wait_for(all_closed);
    check_that(closed, fmt::format("descriptors: {} before, {} after", before.descriptors,
                                   descriptor_count(at.pid())));
    const auto most = first.resident + std::max<std::int64_t>(first.resident / 50, 256 * 1024);
    check_that(last.resident <= most,
               fmt::format("memory: {} KiB early, {} KiB at the end, {:+.1f} %",
                           first.resident / 1024, last.resident / 1024,
                           100.0 * static_cast<double>(last.resident - first.resident) /
                               static_cast<double>(first.resident)));
    const cpu_meter meter(at.pid());
    std::this_thread::sleep_for(milliseconds(500)); // nobody is there: this is what it costs
    check_that(meter.share() < 0.05,
               fmt::format("at rest {:.1f} % of a core", meter.share() * 100));
    return passed;
}

bool soak(const std::string& stage, std::chrono::seconds how_long, std::uint64_t seed) {
    auto at = server::ours(stage_program(std::stoi(stage)), {});
    fmt::print("stage {}, {} s, seed {}\n", stage, how_long.count(), seed);
    { client(at->where()).echo("hello"); }
    std::this_thread::sleep_for(milliseconds(100)); // until it has left
    const auto before = look(*at);
    const auto began = steady::now();
    const milliseconds tenth = milliseconds(how_long) / 10;
    const milliseconds early = std::min<milliseconds>(std::chrono::minutes(1), tenth);
    const milliseconds pause = std::min<milliseconds>(std::chrono::seconds(10), tenth);
    sample first;
    const cpu_meter meter(at->pid());
    tally all;
    {
        std::vector<std::jthread> clients;
        const deadline end(how_long);
        for (std::uint64_t i = 0; i < 6; ++i)
            clients.emplace_back([&, i] { play(at->where(), seed + i, end, all); });
        while (!end.over() && at->running()) {
            std::this_thread::sleep_for(std::min(pause, milliseconds(end.left_ms())));
            const auto now = look(*at);
            const std::chrono::duration<double> passed = steady::now() - began;
            if (passed >= early && first.resident == 0) first = now;
            fmt::print("{:7.1f} s {:9} clients {:8} MB echoed {:8} KiB {:5} descriptors {:5.2f} "
                       "cores\n",
                       passed.count(), all.clients.load(), all.bytes.load() / 1'000'000,
                       now.resident / 1024, now.descriptors, meter.share());
            std::fflush(stdout);
        }
    }
    if (!at->running()) {
        fmt::print("FAILED: the server ended: {}\n{}", at->wait_exit()->to_string(), at->err());
        return false;
    }
    const bool passed = verdict(*at, before, first, look(*at), all);
    return at->stop(SIGTERM).ok() && passed;
}

} // namespace

int main(int count, char** words) {
    const std::vector<std::string> arguments(words + 1, words + count);
    if (arguments.size() < 2) {
        fmt::print(stderr, "soak STAGE SECONDS [SEED]\n");
        return 2;
    }
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    const std::uint64_t seed = arguments.size() > 2 ? std::stoull(arguments[2])
                                                    : std::random_device{}();
    try {
        return soak(arguments[0], std::chrono::seconds(std::stol(arguments[1])), seed) ? 0 : 1;
    } catch (const std::exception& error) {
        fmt::print(stderr, "soak: {}\n", error.what());
        return 2;
    }
}
