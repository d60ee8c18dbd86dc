/// \file
/// Rungs 9, 11 and 12: many clients that come at once, do nothing, or are more than the server may
/// have.

#include "check/rungs.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <fstream>

namespace check {
namespace {

/// How many clients this machine allows in one moment: 900 if it can be.
std::size_t count_in_one_moment() {
    std::size_t backlog = 900;
    std::ifstream("/proc/sys/net/core/somaxconn") >> backlog;
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return std::min({std::size_t{900}, backlog, static_cast<std::size_t>(limit.rlim_cur) - 100});
}

/// Adds clients one at a time until the server has no descriptor for the next.
void use_all_descriptors(scene& now, crowd& clients, std::size_t most) {
    while (clients.size() < most) {
        clients.join(1);
        clients.speak(10);
        clients.drive(
            [&] {
                return clients.served() == clients.size() || clients.lost() > 0 ||
                       now.server.is_out_of_descriptors();
            },
            std::min(milliseconds(1000), now.soon()));
        if (clients.lost() > 0)
            now.fail(texts::served_some, clients.served(), most, clients.lost());
        if (clients.served() < clients.size()) return;
    }
}

} // namespace

void climb_one_moment(scene& now) {
    const auto count = count_in_one_moment();
    auto other = now.come();
    now.echo(other, "before\n");
    crowd burst(now.server.where());
    now.doing(texts::come_at_once, count);
    {
        const subject::hold busy(now.server);
        burst.join(count);
        burst.drive([&] { return burst.connected() == count; }, milliseconds(2000));
        const auto connected = burst.connected();
        if (connected < count) now.fail(texts::backlog_short, connected, count);
    }
    now.doing(texts::each_speaks, count);
    burst.speak(100);
    now.serve(burst);
    now.expect_served(burst);
    now.echo(other, "after\n");
}

void climb_rests(scene& now) {
    now.doing(texts::hundred_silent);
    crowd clients(now.server.where());
    now.join_and_echo(clients, 100, 100);
    constexpr int spans = 6;
    const auto silence = [&] { clients.drive_until_quiet(milliseconds(500)); };
    const auto used = now.server.restlessness(0.02, spans, silence);
    if (used > 0) now.fail(texts::uses_cpu, used * 100, spans);
    if (clients.lost() > 0) now.expect_served(clients);
}

void climb_no_descriptors(scene& now) {
    constexpr std::size_t count = 64, further = 16;
    constexpr int spans = 4;
    auto early = now.come();
    now.echo(early, "before\n");
    now.server.allow_descriptors(further);

    crowd clients(now.server.where());
    now.doing(texts::too_many_clients, count);
    use_all_descriptors(now, clients, count);
    if (clients.served() == count) return; // it has needed none: each client may be a process
    clients.join(count - clients.size());
    clients.served_speak(10);

    now.doing(texts::open_one_speaks);
    now.echo(early, "meanwhile\n");
    now.doing(texts::out_and_silent);
    const auto silence = [&] { clients.drive_until_quiet(milliseconds(700)); };
    const auto used = now.server.restlessness(0.05, spans, silence);
    if (used > 0) now.fail(texts::uses_cpu, used * 100, spans);

    now.doing(texts::served_ones_leave, count);
    std::size_t left = 0;
    const auto next = [&] { return clients.served() > 0 || clients.lost() > 0; };
    clients.speak(10);
    while (left < count && clients.drive(next, now.soon()) && clients.lost() == 0)
        left += clients.served_leave();
    if (left < count) now.fail(texts::served_some, left, count, clients.lost());
    now.echo(early, "after\n");
}

} // namespace check
