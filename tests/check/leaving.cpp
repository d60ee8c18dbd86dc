/// \file
/// Rungs 7 and 10: clients that leave, in every way, one by one and by the thousand.

#include "check/rungs.hpp"

#include <algorithm>
#include <vector>

namespace check {
namespace {

constexpr std::size_t wave_size = 50;
constexpr std::size_t spared = 32;              // descriptors that a server may keep for later
constexpr std::int64_t most_a_client = 2 * 1024; // bytes that it leaves behind

void reset_with_unsent_bytes(scene& now, client& bystander) {
    now.doing(texts::reset_with_unsent);
    for (int i = 0; i < 5; ++i) {
        auto one = now.come(4096);
        one.send_some(pattern(6).text(200'000));
        now.echo(bystander, "meanwhile\n"); // by now the server has tried to answer the other one
        one.reset();
        now.echo(bystander, "meanwhile\n");
    }
}

void leave_before_the_answer(scene& now, client& bystander) {
    now.doing(texts::gone_before_the_answer);
    for (int i = 0; i < 3; ++i) {
        auto one = now.come();
        now.echo(one, "accepted\n");
        {
            const subject::hold both_at_once(now.server);
            one.send_some(std::string(100'000, 'x')); // the first answer is met by a reset,
            one.close();                              // the second by SIGPIPE
        }
        now.echo(bystander, "meanwhile\n");
    }
}

void reset_before_accept(scene& now, client& bystander) {
    now.doing(texts::reset_before_accept);
    {
        const subject::hold while_connecting(now.server);
        for (int i = 0; i < 20; ++i) {
            auto one = now.come();
            if (i % 2 == 0) one.send_some("data, then a reset");
            one.reset();
        }
    }
    now.echo(bystander, "meanwhile\n");
}

void come_while_others_leave(scene& now) {
    now.doing(texts::newcomers);
    for (int i = 0; i < 3; ++i) {
        std::vector<client> leaving, coming;
        for (int k = 0; k < 3; ++k) {
            leaving.push_back(now.come());
            now.echo(leaving.back(), "accepted\n");
        }
        {
            const subject::hold both_at_once(now.server);
            for (auto& each : leaving) each.close();
            for (int k = 0; k < 3; ++k) coming.push_back(now.come());
        }
        for (auto& each : coming) now.echo(each, "a newcomer\n");
        for (auto& each : coming) now.echo(each, "once more\n");
    }
}

/// It is the receiver's choice if urgent bytes are part of the stream; all others have to be.
void send_urgent_bytes(scene& now) {
    now.doing(texts::urgent);
    auto one = now.come();
    for (int i = 0; i < 10; ++i) {
        one.send_all("abc", now.soon());
        one.send_urgent('!');
    }
    one.shutdown_write();
    auto back = one.receive_rest(now.soon());
    std::erase(back.bytes, '!');
    if (back.reset) now.fail(texts::was_reset, back.bytes.size(), 30);
    if (back.bytes.size() != 30) now.fail(texts::lost_bytes, back.bytes.size(), 30);
}

/// Fifty clients that have an echo and leave, each third of them in another way.
void wave(scene& now, std::size_t number) {
    crowd clients(now.server.where());
    now.join_and_echo(clients, wave_size, 100);
    if (number % 3 == 2)
        clients.vanish(1000);
    else
        clients.leave(number % 3 == 1);
}

void waves(scene& now, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) wave(now, i);
}

/// Waits until the server has closed what the clients have left; to close hundreds takes a while.
void expect_closed(scene& now, std::size_t before, std::size_t clients) {
    auto least = now.server.descriptors();
    const auto fewer = [&] { return now.server.descriptors() < least; };
    while (least > before + spared && harness::wait_for(fewer, std::min(milliseconds(2000), now.soon())))
        least = std::min(least, now.server.descriptors());
    if (least > before + spared) now.fail(texts::descriptors_left, least, clients, before);
}

} // namespace

void climb_resets(scene& now) {
    auto bystander = now.come();
    now.echo(bystander, "before\n");
    reset_with_unsent_bytes(now, bystander);
    leave_before_the_answer(now, bystander);
    reset_before_accept(now, bystander);
    come_while_others_leave(now);
    send_urgent_bytes(now);
    now.doing(texts::bystander_after);
    now.echo(bystander, "after\n");
}

void climb_leaves_nothing(scene& now) {
    constexpr std::size_t spans = 4, waves_in_a_span = 18, first_waves = 8;
    auto bystander = now.come();
    now.echo(bystander, "before\n");
    const auto descriptors = now.server.descriptors();
    std::size_t clients = first_waves * wave_size; // until caches, stacks and pools are filled
    now.doing(texts::come_and_go, clients);
    waves(now, first_waves);
    expect_closed(now, descriptors, clients);

    auto memory = now.server.memory();
    const auto in_a_span = waves_in_a_span * wave_size;
    auto least = std::numeric_limits<std::int64_t>::max();
    for (std::size_t span = 0; span < spans; ++span) {
        clients += in_a_span;
        now.doing(texts::come_and_go, clients);
        waves(now, waves_in_a_span);
        expect_closed(now, descriptors, clients);
        const auto before = std::exchange(memory, now.server.memory());
        least = std::min(least, memory - before);
    }
    // A cache that grows stops growing at some time; a leak costs the same each time.
    if (least > static_cast<std::int64_t>(in_a_span) * most_a_client)
        now.fail(texts::memory_left, in_a_span, least / 1024);
    now.echo(bystander, "after\n");
}

} // namespace check
