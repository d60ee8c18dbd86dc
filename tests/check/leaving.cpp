/// \file
/// Rungs 7 and 10: clients that leave, in every way, one by one and by the thousand.

#include "check/rungs.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

namespace check {
namespace {

constexpr std::size_t wave_size = 50;
constexpr std::int64_t most_per_client = 2 * 1024; // bytes that it leaves behind

/// How many descriptors a server may keep for later, for instance in a pool of pipes.
std::size_t spared(std::size_t clients) {
    return std::max<std::size_t>(150, clients / 16);
}

void reset_with_unsent_bytes(scene& now, client& bystander) {
    now.doing(texts::reset_with_unsent);
    for (int i = 0; i < 2; ++i) {
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
    for (int i = 0; i < 6; ++i) {
        {
            const subject::hold while_connecting(now.server);
            auto one = now.come();
            if (i % 2 == 0) one.send_some("data, then a reset");
            one.reset();
        }
        now.echo(bystander, "meanwhile\n");
    }
}

void come_while_another_leaves(scene& now) {
    now.doing(texts::newcomers);
    for (int i = 0; i < 5; ++i) {
        auto leaving = now.come();
        now.echo(leaving, "accepted\n");
        std::optional<client> coming;
        {
            const subject::hold both_at_once(now.server);
            leaving.close();
            coming = now.come();
        }
        now.echo(*coming, "a newcomer\n");
        now.echo(*coming, "once more\n");
    }
}

/// It is the receiver's choice if urgent bytes are part of the stream; all others have to be. If it
/// leaves the last one unread, the connection ends with a reset.
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

/// Up to `most` waves; at least four, but no more once they have taken `time`: a slow server on a
/// busy machine shows what it keeps with fewer. \return how many clients that were
std::size_t waves(scene& now, std::size_t most, milliseconds time) {
    const harness::deadline end(time);
    std::size_t count = 0;
    while (count < most && (count < 4 || !end.over())) wave(now, count++);
    return count * wave_size;
}

/// Waits until the server has closed what the clients have left; to close hundreds takes a while.
void expect_closed(scene& now, std::size_t before, std::size_t clients) {
    const auto allowed = before + spared(clients);
    auto least = now.server.descriptors();
    const auto fewer = [&] { return now.server.descriptors() < least; };
    while (least > allowed && harness::wait_for(fewer, std::min(milliseconds(2000), now.soon())))
        least = std::min(least, now.server.descriptors());
    if (least > allowed) now.fail(texts::descriptors_left, least, clients, before);
}

} // namespace

void climb_resets(scene& now) {
    auto bystander = now.come();
    now.echo(bystander, "before\n");
    reset_with_unsent_bytes(now, bystander);
    leave_before_the_answer(now, bystander);
    reset_before_accept(now, bystander);
    come_while_another_leaves(now);
    send_urgent_bytes(now);
    now.doing(texts::bystander_after);
    now.echo(bystander, "after\n");
}

void climb_leaves_nothing(scene& now) {
    constexpr std::size_t spans = 4, waves_in_a_span = 18, first_waves = 8;
    const milliseconds time_for_a_span = now.longest / (spans + 2);
    auto bystander = now.come();
    now.echo(bystander, "before\n");
    const auto descriptors = now.server.descriptors();
    now.doing(texts::come_and_go,
              first_waves * wave_size); // until caches, stacks and pools are filled
    auto clients = waves(now, first_waves, time_for_a_span);
    expect_closed(now, descriptors, clients);

    auto memory = now.server.memory();
    auto least = std::numeric_limits<std::int64_t>::max(); // per client, of the best span
    for (std::size_t span = 0; span < spans; ++span) {
        now.doing(texts::come_and_go, clients + waves_in_a_span * wave_size);
        const auto more = waves(now, waves_in_a_span, time_for_a_span);
        clients += more;
        expect_closed(now, descriptors, clients);
        const auto before = std::exchange(memory, now.server.memory());
        least = std::min(least, (memory - before) / static_cast<std::int64_t>(more));
    }
    // A cache that grows stops growing at some time; a leak costs the same each time.
    if (least > most_per_client) now.fail(texts::memory_left, least, spans);
    now.echo(bystander, "after\n");
}

} // namespace check
