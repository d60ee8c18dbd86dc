/// \file
/// Clients with limits, and what they saw, in words.

#include "check/scene.hpp"

#include "harness/proc.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <fstream>
#include <thread>

namespace check {
namespace {

using harness::deadline;
using harness::wrong_answer;

/// What a client saw, without the server's end.
std::string seen_by_client(const wrong_answer& saw, double limit) {
    switch (saw.what_happened) {
    case wrong_answer::kind::too_late:
        if (saw.got == 0) return say(texts::nothing_came, limit);
        return say(texts::part_came, saw.got, saw.wanted, limit);
    case wrong_answer::kind::no_end:
        return say(texts::no_end, saw.got, limit);
    case wrong_answer::kind::ended:
        return say(texts::ended_early, saw.got, saw.wanted);
    case wrong_answer::kind::reset:
        return say(texts::was_reset, saw.got, saw.wanted);
    case wrong_answer::kind::not_taken:
        return say(texts::not_taken, saw.got, saw.wanted, limit);
    case wrong_answer::kind::too_many:
        return say(texts::too_many_bytes, saw.got);
    case wrong_answer::kind::different:
        return say(texts::wrong_byte, saw.got);
    }
    return saw.what();
}

std::string seen_by_call(const std::system_error& error, double limit) {
    if (error.code() == std::errc::connection_refused) return say(texts::refused);
    if (error.code() == std::errc::connection_reset || error.code() == std::errc::broken_pipe)
        return say(texts::closed_on);
    if (error.code() == std::errc::timed_out) return say(texts::not_connected, limit);
    return say(texts::something_else, error.what());
}

std::string seen_by_client(double limit) {
    try {
        throw;
    } catch (const surprise& it) {
        return it.what();
    } catch (const wrong_answer& saw) {
        return seen_by_client(saw, limit);
    } catch (const std::system_error& error) {
        return seen_by_call(error, limit);
    } catch (const std::exception& error) {
        return say(texts::something_else, error.what());
    }
}

/// True if what a client saw may come from the end of the whole server. A server that has ended
/// without that has ended afterwards: because the rung's clients have all left.
bool is_an_end() {
    try {
        throw;
    } catch (const surprise&) {
        return false;
    } catch (const wrong_answer& saw) {
        return saw.what_happened == wrong_answer::kind::ended ||
               saw.what_happened == wrong_answer::kind::reset;
    } catch (const std::exception&) {
        return true;
    }
}

} // namespace

int busyness() {
    std::ifstream file("/proc/loadavg");
    double last_minute = 0, skipped = 0, running = 0; // "4.75 3.10 2.98 6/512 4711"
    file >> last_minute >> skipped >> skipped >> running;
    const double cores = std::max(1U, std::thread::hardware_concurrency());
    return static_cast<int>(std::clamp(std::max(last_minute, running) / cores, 1.0, 3.0));
}

milliseconds scene::soon() {
    return soon_ = std::min(longest * 5 / 9, left());
}

void scene::echo(client& by, std::string_view line) {
    by.send_all(line, soon());
    expect_text(by, line);
}

void scene::expect_text(client& by, std::string_view line) {
    const auto got = by.receive_exactly(line.size(), soon());
    const auto differs = std::ranges::mismatch(got, line).in1;
    if (differs != got.end()) fail(texts::wrong_byte, differs - got.begin());
}

std::uint64_t scene::fill(client& by, const pattern& bytes, std::uint64_t most) {
    std::uint64_t sent = 0;
    auto last = harness::steady::now();
    while (!is_over()) {
        const auto taken = by.send_some(
            bytes.text(std::min<std::uint64_t>(65536, most - sent), sent));
        sent += taken;
        const auto now = harness::steady::now();
        if (taken > 0) last = now;
        const bool rests = !server.wants_cpu();
        // All is sent, has arrived, and the server has done with it what it is going to do.
        if (sent == most && rests && now - last > milliseconds(50) &&
            harness::kernel_queues(by.fd()).to_send == 0)
            break;
        // A server that gets no processor time for a while has not stopped reading, and a packet
        // that was lost may be on its way for a second.
        if (now - last > soon() ||
            (now - last > milliseconds(300) && rests && harness::packets_in_flight(by.fd()) == 0))
            break;
        if (taken == 0) std::this_thread::sleep_for(milliseconds(1));
    }
    return sent;
}

void scene::expect(client& by, const pattern& bytes, std::uint64_t size) {
    std::uint64_t got = 0;
    try {
        while (got < size) {
            const auto piece = by.receive_exactly(std::min<std::uint64_t>(65536, size - got),
                                                  soon());
            const auto same = bytes.same(piece, got);
            if (same < piece.size()) fail(texts::wrong_byte, got + same);
            got += piece.size();
        }
    } catch (wrong_answer& saw) { // of this piece
        saw.got += got;
        saw.wanted = size;
        throw;
    }
}

void scene::serve(crowd& all) {
    all.drive_until_quiet(
        soon(), [&] { return all.served() == all.size() || all.lost() > 0 || is_over(); });
}

void scene::expect_served(const crowd& all) const {
    if (all.served() < all.size()) fail(texts::served_some, all.served(), all.size(), all.lost());
}

void scene::join_and_echo(crowd& all, std::size_t count, std::size_t size) {
    all.join(count);
    all.speak(size);
    serve(all);
    expect_served(all);
}

std::uint64_t more_than_fits() {
    std::ifstream file("/proc/sys/net/ipv4/tcp_wmem");
    std::uint64_t least = 0, usual = 0, most = 4 * 1024 * 1024;
    file >> least >> usual >> most;
    return std::min<std::uint64_t>(most, 16 * 1024 * 1024) + 1024 * 1024;
}

std::string seen(scene& now) {
    auto by_client = seen_by_client(now.waited());
    if (now.is_over()) by_client = say(texts::out_of_time, by_client, now.longest.count() / 1000);
    if (!is_an_end()) return by_client;
    // The sockets of a server that dies are closed a moment before it has ended.
    harness::wait_for([&] { return now.server.ended().has_value(); }, milliseconds(500));
    const auto end = now.server.ended();
    return end ? say(texts::died, spoken(*end), by_client) : by_client;
}

} // namespace check
