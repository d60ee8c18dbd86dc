/// \file
/// Clients that nobody asked for: slow by the thousand, leaving at every point of a conversation,
/// with the smallest buffers, stopped in the middle, or coming all at once.

#include "conformance/target.hpp"
#include "harness/catch.hpp"
#include "harness/client.hpp"
#include "harness/crowd.hpp"
#include "harness/held_up.hpp"
#include "harness/proc.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <csignal>
#include <vector>

using namespace conformance;
using namespace harness;

namespace {

const milliseconds soon = milliseconds(3000) * patience;

/// A bystander that has been served, and how many descriptors are open with it.
struct scene {
    std::unique_ptr<server> at = start();
    client bystander{at->where()};
    std::size_t descriptors = begin();

    std::size_t begin() {
        bystander.echo("before");
        return descriptor_count(at->pid());
    }
    void check_over() {
        bystander.echo("after");
        CHECK(comes_back_to(descriptors, at->pid()));
        CHECK(at->running());
    }
};

/// Clients that come and go at once: politely, with a reset, or with a byte that nobody waits for.
void come_and_go(const endpoint& to, int count) {
    for (int i = 0; i < count; ++i) {
        client one(to);
        if (i % 3 == 1) one.reset();
        if (i % 3 == 2) one.send_some("a");
    }
}

/// They find the server busy with something else, and each says something at once. However long all
/// of them take: there is always one that gets its answer within `quiet`.
void come_in_one_moment(scene& now, std::size_t count, milliseconds quiet) {
    crowd burst(now.at->where());
    {
        const held_up server(*now.at);
        burst.join(count);
        burst.speak(100);
    }
    burst.drive_until_quiet(quiet, [&] { return burst.served() == burst.size(); });
    CHECK(burst.complaint() == "");
    CHECK(burst.served() == count);
}

/// They say a byte each, and are silent most of the time.
void send_now_and_then(std::size_t count) {
    scene now;
    {
        crowd slow(now.at->where());
        slow.join_and_echo(count, 1);
        for (int i = 0; i < 3; ++i) {
            slow.echo(1);
            const auto since = steady::now();
            now.bystander.echo("meanwhile");
            CHECK(steady::now() - since < milliseconds(500) * patience);
        }
    }
    now.check_over();
}

} // namespace

TEST_CASE("data and the end of the stream in one go are both seen", "[hostile]") {
    const scene now;
    for (int i = 0; i < 10; ++i) {
        client one(now.at->where());
        one.echo("accepted");
        {
            const held_up server(*now.at);
            one.send_all("the last words");
            one.shutdown_write();
        }
        CHECK(one.receive_exactly(14, soon) == "the last words");
        one.expect_end(soon);
    }
}

TEST_CASE("data and a reset in one go end that connection only", "[hostile]") {
    scene now;
    for (int i = 0; i < 20; ++i) {
        client one(now.at->where());
        if (i % 2 == 0) one.echo("accepted");
        const held_up server(*now.at);
        one.send_all("the last words");
        one.reset();
    }
    now.check_over();
}

TEST_CASE("answering a client that has left after its last word ends nothing", "[hostile]") {
    scene now;
    for (int i = 0; i < 5; ++i) {
        client one(now.at->where());
        one.echo("accepted");
        const held_up server(*now.at);
        one.send_all(std::string(100'000, 'x')); // the first answer meets a reset, and the second
        one.close();                             // SIGPIPE
    }
    now.check_over();
}

TEST_CASE("who comes while another leaves is not mistaken for him", "[hostile]") {
    scene now;
    for (int i = 0; i < 10; ++i) {
        std::vector<client> leaving, coming;
        for (int k = 0; k < 5; ++k) leaving.emplace_back(now.at->where()).echo("accepted");
        {
            const held_up server(*now.at); // so that it sees both at once
            for (auto& each : leaving) each.close();
            for (int k = 0; k < 5; ++k) coming.emplace_back(now.at->where());
        }
        for (auto& each : coming) each.echo("a newcomer", soon);
        for (auto& each : coming) each.echo("once more", soon);
    }
    now.check_over();
}

TEST_CASE("a reset at any point of a conversation ends that connection only", "[hostile]") {
    scene now;
    for (int point = 0; point < 6; ++point)
        for (int i = 0; i < 5; ++i) {
            client one(now.at->where());
            if (point >= 1) one.send_all("a");
            if (point >= 2) one.receive_exactly(1);
            if (point >= 3) one.send_all(std::string(100'000, 'b'));
            if (point >= 4) one.receive_exactly(50'000);
            if (point >= 5) one.shutdown_write();
            one.reset();
        }
    now.check_over();
}

TEST_CASE("300 clients that send a byte now and then keep nobody waiting", "[hostile]") {
    send_now_and_then(300);
}

TEST_CASE("20 clients that take a byte at a time keep nobody waiting", "[hostile]") {
    scene now;
    {
        std::vector<client> slow;
        for (std::uint64_t i = 0; i < 20; ++i) {
            slow.emplace_back(now.at->where(), 2304);
            slow.back().send_some(pattern(i).text(60'000));
        }
        for (std::size_t turn = 0; turn < 50; ++turn)
            for (std::size_t i = 0; i < slow.size(); ++i)
                REQUIRE(slow[i].receive_exactly(1) == pattern(i).text(1, turn));
        const auto since = steady::now();
        for (int i = 0; i < 20; ++i) now.bystander.echo("meanwhile");
        CHECK(steady::now() - since < milliseconds(500) * patience);
        for (auto& each : slow) each.reset();
    }
    now.check_over();
}

TEST_CASE("urgent bytes between the others derail nothing", "[hostile]") {
    scene now;
    client one(now.at->where());
    std::string sent;
    for (int i = 0; i < 50; ++i) {
        one.send_all("abc");
        one.send_urgent('!');
        sent += "abc";
    }
    one.shutdown_write();
    auto back = one.receive_rest(soon);
    CHECK_FALSE(back.reset);
    std::erase(back.bytes, '!'); // whether they are part of the stream is the receiver's choice
    CHECK(back.bytes == sent);
    one.close();
    now.check_over();
}

TEST_CASE("a client that reads no more, but sends, keeps nobody waiting", "[hostile]") {
    scene now;
    {
        client deaf(now.at->where());
        ::shutdown(deaf.fd(), SHUT_RD);
        for (int i = 0; i < 20; ++i) {
            deaf.send_some(std::string(10'000, 'x')); // the kernel drops what comes back
            now.bystander.echo("meanwhile");
        }
        deaf.shutdown_write();
    }
    now.check_over();
}

TEST_CASE("both ends closing at the same time leaves nothing behind", "[hostile][ours]") {
    for (int i = 0; i < 3; ++i) {
        const auto server = start();
        std::vector<client> all;
        for (int k = 0; k < 20; ++k) all.emplace_back(server->where()).echo("accepted");
        server->signal(SIGTERM);
        for (auto& each : all) each.close();
        const auto ended = server->wait_exit(soon);
        REQUIRE(ended);
        CHECK(ended->to_string() == "exit status 0");
    }
}

TEST_CASE("the smallest buffers that the kernel allows lose nothing", "[hostile]") {
    scene now;
    client one(now.at->where(), 1);
    const int least = 1;
    ::setsockopt(one.fd(), SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
    one.echo("accepted");
    if (const auto end = server_end(now.at->pid(), one.local())) { // the server's, too
        ::setsockopt(end->get(), SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
        ::setsockopt(end->get(), SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
    }
    one.exchange({.bytes = pattern(5),
                  .size = 7000, // what does not fit waits for a timer of the kernel's
                  .next_piece = [] { return 7000; },
                  .half_close = true},
                 soon);
    one.close();
    now.check_over();
}

TEST_CASE("a client that is stopped in the middle gets everything when it goes on", "[hostile]") {
    scene now;
    // It sends 2 MB, and is asleep from the beginning until it is woken.
    const auto script = fmt::format("exec 3<>/dev/tcp/127.0.0.1/{}; echo connected; sleep 0.02; "
                                    "head -c 2000000 /dev/zero >&3 & "
                                    "head -c 2000000 <&3 | wc -c; wait; echo done",
                                    now.at->port());
    child stopped({"bash", "-c", script});
    REQUIRE(stopped.wait_line("connected", must_happen));
    ::kill(-stopped.pid(), SIGSTOP);
    for (int i = 0; i < 20; ++i) now.bystander.echo("meanwhile");
    // A child that the shell was just about to fork may be stopped after the others were continued.
    const auto goes_on = [&] {
        ::kill(-stopped.pid(), SIGCONT);
        return static_cast<bool>(stopped.wait_line("2000000", milliseconds(100)));
    };
    CHECK(wait_for(goes_on, must_happen));
    CHECK(stopped.wait_line("done", must_happen));
    now.check_over();
}

TEST_CASE("2000 clients that connect and close at once leave nothing behind", "[hostile]") {
    scene now;
    come_and_go(now.at->where(), 2000);
    now.check_over();
}

TEST_CASE("900 clients that connect in the same moment are all served", "[hostile]") {
    scene now;
    come_in_one_moment(now, 900, soon); // a backlog may be no longer than 1024
    now.check_over();
}

// `./dev soak` runs these.

TEST_CASE("200000 clients that connect and close at once leave nothing behind", "[.][long]") {
    scene now;
    std::int64_t early = 0; // when there are as many stacks and buffers as it ever takes
    for (int i = 0; i < 10; ++i) {
        come_and_go(now.at->where(), 20'000);
        now.bystander.echo("meanwhile");
        if (i == 2) early = memory(now.at->pid()).anonymous;
    }
    now.check_over();
    CHECK(memory(now.at->pid()).anonymous - early < 2 * 1024 * 1024);
}

TEST_CASE("5000 clients that send a byte now and then keep nobody waiting", "[.][long]") {
    send_now_and_then(5000);
}

/// More than a backlog may hold: whom the kernel turns away asks again, a second later, then two.
TEST_CASE("5000 clients that connect in the same moment are all served", "[.][long]") {
    scene now;
    come_in_one_moment(now, 5000, 2 * must_happen);
    now.check_over();
}
