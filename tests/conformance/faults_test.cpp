/// \file
/// A reset, a client that vanishes, or one descriptor too few end at most that one connection,
/// and nothing of it stays behind.

#include "conformance/target.hpp"
#include "harness/catch.hpp"
#include "harness/client.hpp"
#include "harness/crowd.hpp"
#include "harness/held_up.hpp"
#include "harness/proc.hpp"

#include <algorithm>
#include <csignal>

using namespace conformance;
using namespace harness;

namespace {

std::size_t open_descriptors(const server& of) {
    return descriptor_count(of.pid());
}

std::size_t lines_of(const std::string& text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

/// A wave of clients, each of which has an echo and leaves in its own way.
void wave(const server& to, std::size_t count, std::size_t number) {
    crowd clients(to.where());
    clients.join_and_echo(count, 100);
    if (number % 3 == 2)
        clients.vanish(1000);
    else
        clients.leave(number % 3 == 1);
}

} // namespace

TEST_CASE("a reset while bytes are owed ends that connection only", "[faults]") {
    const auto server = start();
    client other(server->where());
    other.echo("before");
    const auto before = open_descriptors(*server);
    for (int i = 0; i < 20; ++i) {
        client one(server->where(), 4096);
        one.send_until_stuck(pattern(1), 1'000'000, milliseconds(10));
        one.reset();
        other.echo("meanwhile");
    }
    CHECK(comes_back_to(before, server->pid()));
    CHECK(server->running());
}

TEST_CASE("writing to a client that has closed does not end the server", "[faults]") {
    const auto server = start();
    for (int i = 0; i < 20; ++i) {
        client one(server->where());
        one.send_all(std::string(200'000, 'x'));
        one.close(); // with an echo under way: the next write of the server meets an RST
    }
    client(server->where()).echo("the next client");
    CHECK(server->running());
}

TEST_CASE("a reset before accept ends that connection only", "[faults]") {
    const auto server = start();
    client other(server->where());
    other.echo("before");
    const auto before = open_descriptors(*server);
    {
        const held_up while_connecting(*server); // so that it can't accept before the resets
        for (int i = 0; i < 50; ++i) {
            client one(server->where());
            if (i % 2 == 0) one.send_all("data, then a reset");
            one.reset();
        }
    }
    client(server->where()).echo("the next client");
    CHECK(comes_back_to(before, server->pid()));
    CHECK(server->running());
}

TEST_CASE("300 clients that vanish leave nothing behind", "[faults]") {
    const auto server = start();
    client other(server->where());
    other.echo("before");
    const auto before = open_descriptors(*server);
    crowd clients(server->where());
    clients.join_and_echo(300, 100);
    clients.vanish(50'000);
    for (int i = 0; i < 50; ++i) other.echo("meanwhile");
    CHECK(comes_back_to(before, server->pid()));
    crowd next(server->where());
    next.join_and_echo(300, 100);
}

TEST_CASE("descriptors and memory are the same after 4000 connections", "[faults]") {
    if (!shows_memory()) return;
    const auto server = start();
    client other(server->where());
    other.echo("before");
    const auto at_start = open_descriptors(*server);
    for (std::size_t i = 0; i < 6; ++i) wave(*server, 50, i); // caches, stacks, pools fill;
    const milliseconds some_time(500 * patience);             // or it keeps some for itself
    comes_back_to(at_start, server->pid(), some_time);
    const auto before = open_descriptors(*server);
    const auto memory_before = memory(server->pid()).anonymous;
    for (std::size_t i = 0; i < 80; ++i) wave(*server, 50, i);
    CHECK(comes_back_to(before, server->pid()));
    // 512 bytes per connection. The garbage collectors of other people's servers keep freed memory
    // for a while; so does a sanitizer, which also remembers every thread there ever was. An
    // emulator keeps translating code.
    const std::int64_t mib = sanitized ? 64 : emulated ? 8 : under_test().is_ours() ? 2 : 16;
    CHECK(memory(server->pid()).anonymous - memory_before <= mib * 1024 * 1024);
}

TEST_CASE("out of descriptors, the server rests until it has one, and serves all", "[faults]") {
    constexpr std::size_t count = 80;
    const auto server = start({.descriptors = 48});
    crowd clients(server->where());
    clients.join(count);
    clients.speak(1000);
    clients.drive_until_quiet(milliseconds(300 * patience));
    REQUIRE(clients.complaint() == "");
    REQUIRE(clients.served() > 0);
    if (clients.served() == count && !under_test().is_ours())
        return leave_out("48 descriptors are enough for this server"); // it may be many processes
    REQUIRE(clients.served() < count);

    const auto since = steady::now();
    const auto lines_before = lines_of(server->err());
    const auto accepted = clients.served();
    const auto without_descriptors = [&] {
        clients.served_speak(10); // the open connections continue
        CHECK(clients.drive([&] { return clients.served() >= accepted; }));
        clients.drive_until_quiet(milliseconds(1500));
    };
    if (under_test().can.rests)
        expect_rest(server->pid(), 0.05, without_descriptors);
    else
        without_descriptors();
    if (under_test().is_ours()) { // says so, once per second at most
        CHECK(lines_of(server->err()) > 0);
        const auto seconds = std::chrono::ceil<std::chrono::seconds>(steady::now() - since);
        CHECK(lines_of(server->err()) - lines_before <= static_cast<std::size_t>(seconds.count()));
    }

    std::size_t left = 0;
    const auto all_served = [&] {
        clients.drive([&] { return clients.served() > 0 || clients.lost() > 0; });
        left += clients.served_leave();
        return left == count || clients.lost() > 0;
    };
    CHECK(wait_for(all_served));
    CHECK(clients.complaint() == "");
    CHECK(left == count); // nothing lost: who waited has been served, too
}
