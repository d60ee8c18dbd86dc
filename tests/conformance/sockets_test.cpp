/// \file
/// What the kernel says about the server's descriptors: the options that Go sets on its sockets,
/// CLOEXEC on all; and how many clients it holds and lets wait.

#include "conformance/target.hpp"
#include "harness/catch.hpp"
#include "harness/client.hpp"
#include "harness/crowd.hpp"
#include "harness/proc.hpp"
#include "harness/temporary_directory.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

#include <algorithm>
#include <fstream>

using namespace conformance;
using namespace harness;

TEST_CASE("a listener has SO_REUSEADDR and the system's backlog", "[ours][sockets]") {
    const auto server = start();
    const auto listening = listeners(server->pid());
    REQUIRE(listening.size() == 1);
    const int fd = listening.front().get();
    CHECK(socket_option(fd, SOL_SOCKET, SO_REUSEADDR) == 1);
    std::uint32_t somaxconn = 0;
    std::ifstream("/proc/sys/net/core/somaxconn") >> somaxconn;
    CHECK(backlog(fd) == somaxconn);
}

TEST_CASE("the wildcard's listener is for both families, [::1]'s is not", "[ours][sockets]") {
    const auto both = start_with("", ":0");
    REQUIRE(listeners(both->pid()).size() == 1);
    CHECK(socket_option(listeners(both->pid())[0].get(), IPPROTO_IPV6, IPV6_V6ONLY) == 0);
    const auto one = start_with("", "[::1]:0");
    REQUIRE(listeners(one->pid()).size() == 1);
    CHECK(socket_option(listeners(one->pid())[0].get(), IPPROTO_IPV6, IPV6_V6ONLY) == 1);
}

TEST_CASE("accepted sockets have no delay, and keep-alive at 15 s, 15 s, 9 probes",
          "[ours][sockets]") {
    for (const auto* address : {"127.0.0.1:0", "[::1]:0", ":0"}) {
        INFO("listening on " << address);
        const auto server = start_with("", address);
        client one(server->where());
        one.echo("accepted");
        const auto end = server_end(server->pid(), one.local());
        REQUIRE(end);
        const int fd = end->get();
        CHECK(socket_option(fd, IPPROTO_TCP, TCP_NODELAY) == 1);
        CHECK(socket_option(fd, SOL_SOCKET, SO_KEEPALIVE) == 1);
        CHECK(socket_option(fd, IPPROTO_TCP, TCP_KEEPIDLE) == 15);
        CHECK(socket_option(fd, IPPROTO_TCP, TCP_KEEPINTVL) == 15);
        CHECK(socket_option(fd, IPPROTO_TCP, TCP_KEEPCNT) == 9);
    }
}

TEST_CASE("no descriptor is inherited by a child", "[ours][sockets]") {
    const temporary_directory directory;
    for (const auto& address : {std::string(":0"), "unix:" + directory.file("echo.sock")}) {
        const auto server = start_with("", address);
        crowd clients(server->where());
        clients.join_and_echo(5, 10);
        const auto open = descriptors(server->pid());
        CHECK(open.size() >= 3 + 1 + 5);
        for (const auto& each : open) {
            INFO("descriptor " << each.number << " is " << each.what);
            CHECK((each.close_on_exec || each.number <= 2));
        }
    }
}

TEST_CASE("beyond --max-connections, a client waits until another has left", "[ours][sockets]") {
    const auto server = start_with("--max-connections 2");
    client first(server->where());
    client second(server->where());
    first.echo("hello");
    second.echo("hello");
    client third(server->where()); // the kernel's backlog takes it
    third.send_all("me too");

    const auto others_talk = [&] {
        for (int i = 0; i < 20; ++i) {
            REQUIRE(third.hears_nothing_for(milliseconds(50)));
            first.echo("meanwhile");
            second.echo("meanwhile");
        }
    };
    others_talk();
    const auto all_are_silent = [&] { REQUIRE(third.hears_nothing_for(milliseconds(500))); };
    if (under_test().can.rests && sanitized) // an echo alone takes longer than the server may
        expect_rest(server->pid(), 0.02, all_are_silent);
    else if (under_test().can.rests)
        expect_rest(server->pid(), 0.02, others_talk);

    first.close();
    CHECK(third.receive_exactly(6) == "me too");
    second.reset();
    client(server->where()).echo("and the fourth");
}

TEST_CASE("with as many clients as it must hold, each gets its echo", "[crowd]") {
    const auto count = under_test().can.clients;
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < count + 100)
        return leave_out(fmt::format("{} clients need more than {} descriptors (ulimit -Hn)", count,
                                     limit.rlim_cur));
    const auto server = start();
    crowd clients(server->where());
    clients.join_and_echo(count, 100);
    clients.echo(1000);
    CHECK(clients.served() == count);
    clients.leave();
    client(server->where()).echo("the next one");
}

TEST_CASE("with 500 connections and nothing to do, it uses no processor time", "[crowd]") {
    if (!under_test().can.rests) return leave_out("this way of waiting never rests");
    const auto server = start();
    crowd clients(server->where());
    clients.join_and_echo(500, 100);
    clients.drive_until_quiet(milliseconds(50)); // what the last echo left to be done
    const auto in_silence = [&] { clients.drive_until_quiet(milliseconds(1000)); };
    // The thread sanitizer has a thread of its own, which takes one percent to watch 500
    // connections.
    const double rest = tested_build().sanitizer == "thread" ? 0.03 : 0.01;
    expect_rest(server->pid(), rest, in_silence);
    CHECK(clients.lost() == 0);
}
