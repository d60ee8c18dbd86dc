/// \file
/// Rungs 5, 6 and 8: clients that read too slowly, never, or without end.

#include "check/rungs.hpp"

#include <poll.h>

#include <atomic>
#include <stop_token>
#include <thread>
#include <vector>

namespace check {
namespace {

constexpr std::uint64_t mib = 1024 * 1024;
constexpr std::uint64_t far_too_much = 64 * mib; // more than all of the kernel's buffers
constexpr std::int64_t most_growth = 16 * mib;   // a garbage collector may take its time

/// True if an answer comes as soon as the others read what they have sent.
bool answers_once_they_read(std::vector<client>& slow, client& third) {
    const auto answered = [&] {
        for (auto& each : slow) each.receive_some(65536);
        return !third.receive_some(1).empty();
    };
    try {
        return harness::wait_for(answered, milliseconds(2000));
    } catch (const std::exception&) {
        return false; // not then, either
    }
}

/// The third client waits for its answer while two others read nothing. If it comes as soon as
/// those do, that is what is wrong.
void expect_answer_beside(scene& now, std::vector<client>& slow, client& third) {
    try {
        now.echo(third, "meanwhile\n");
    } catch (const harness::wrong_answer& saw) {
        if (saw.what_happened != harness::wrong_answer::kind::too_late || saw.got > 0) throw;
        const double waited = now.waited();
        if (answers_once_they_read(slow, third)) now.fail(texts::after_slow_read, waited);
        throw;
    }
}

/// Sends and reads as fast as the server lets it.
void flood(const harness::endpoint& to, const std::stop_token& enough,
           std::atomic<std::uint64_t>& got) {
    try {
        client one(to, 0, milliseconds(2000));
        const auto bytes = pattern(7).text(65536);
        while (!enough.stop_requested()) {
            pollfd ready{one.fd(), POLLIN | POLLOUT, 0};
            ::poll(&ready, 1, 50);
            if ((ready.revents & POLLOUT) != 0) one.send_some(bytes);
            got += one.receive_some(bytes.size()).size();
        }
    } catch (
        const std::exception&) { // the server has ended it, or itself: the other client sees that
    }
}

} // namespace

void climb_slow_reader(scene& now) {
    const pattern bytes(4);
    auto third = now.come();
    now.echo(third, "before\n");
    std::vector<client> slow;
    std::uint64_t sent = 0;
    for (int i = 0; i < 2; ++i) {
        slow.push_back(now.come(65536));
        now.doing(texts::sends_only);
        sent = now.fill(slow.back(), bytes, more_than_fits());
    }
    now.doing(texts::beside_slow, sent);
    for (int i = 0; i < 10; ++i) expect_answer_beside(now, slow, third);
    now.doing(texts::slow_at_last, sent);
    now.expect(slow.back(), bytes, sent);
}

void climb_never_reads(scene& now) {
    auto other = now.come();
    now.echo(other, "before\n");
    const auto before = now.server.memory();
    now.doing(texts::sends_only);
    auto deaf = now.come(8192);
    const auto sent = now.fill(deaf, pattern(5), far_too_much);
    if (sent == far_too_much) now.fail(texts::takes_all, sent / mib);
    const auto growth = now.server.memory() - before;
    if (growth > most_growth)
        now.fail(texts::memory_grew, growth / static_cast<std::int64_t>(mib), sent / mib);
    now.doing(texts::beside_stuck);
    now.echo(other, "meanwhile\n");
}

void climb_floods(scene& now) {
    constexpr std::size_t answers = 10;
    now.doing(texts::beside_floods);
    std::vector<client> others; // each asks once: a server may stay with a client that asks again
    while (others.size() < answers) {
        others.push_back(now.come());
        now.echo(others.back(), "before\n");
    }
    std::atomic<std::uint64_t> got = 0;
    std::vector<std::jthread> floods;
    for (int i = 0; i < 4; ++i)
        floods.emplace_back(
            [&](const std::stop_token& enough) { flood(now.server.where(), enough, got); });
    harness::wait_for([&] { return got > 1'000'000; }, milliseconds(2000)); // they are at it
    const auto limit = now.longest * 6 / 9;
    const harness::deadline end(limit);
    for (std::size_t answered = 0; answered < answers; ++answered) {
        auto& other = others[answered];
        other.send_all("meanwhile\n", now.soon());
        try {
            other.receive_exactly(10, milliseconds(end.left_ms()));
        } catch (const harness::wrong_answer& saw) {
            if (saw.what_happened != harness::wrong_answer::kind::too_late) throw;
            now.fail(texts::starved, answered, answers,
                     std::chrono::duration<double>(limit).count(), got / 1'000'000);
        }
    }
}

} // namespace check
