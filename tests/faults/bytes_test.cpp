/// \file
/// Reads and writes that fall short, spurious wake-ups, interrupted calls: what every program must
/// expect of the kernel, and no client may notice.

#include "faults/faulty.hpp"
#include "harness/programs.hpp"

#include <fmt/format.h>

using namespace faults_tests;
using namespace harness;

namespace {

/// A busy server may find everybody ready; one that is asked one thing after the other has to wait
/// for each.
void wait_often(trial& one) {
    for (int i = 0; i < 40; ++i) one.bystander.echo("again");
}

} // namespace

TEST_CASE("reads that fall short lose nothing") {
    loses_nothing("recv:short=0.7");
}

TEST_CASE("reads of one byte each lose nothing") {
    loses_nothing("recv:byte=1.0", {.clients = 4, .size = 5'000});
}

TEST_CASE("writes that fall short lose nothing") {
    loses_nothing("send:short=0.7");
}

TEST_CASE("writes of one byte each lose nothing") {
    loses_nothing("send:byte=1.0", {.clients = 4, .size = 5'000});
}

TEST_CASE("reads and writes that both fall short lose nothing") {
    loses_nothing("recv:short=0.7 send:short=0.7");
}

TEST_CASE("readiness to read that is followed by EAGAIN loses nothing") {
    loses_nothing("recv:eagain=0.4");
}

TEST_CASE("readiness to write that is followed by EAGAIN loses nothing") {
    loses_nothing("send:eagain=0.4");
}

TEST_CASE("a write that falls short, then EAGAIN, again and again, loses nothing") {
    loses_nothing("send:short=0.6 send:eagain=0.4");
}

TEST_CASE("interrupted reads lose nothing") {
    loses_nothing("recv:eintr=0.5");
}

TEST_CASE("interrupted writes lose nothing") {
    loses_nothing("send:eintr=0.5");
}

TEST_CASE("interrupted waiting loses nothing") {
    loses_nothing("epoll_wait:eintr=0.5 poll:eintr=0.5");
}

TEST_CASE("an interrupted select loses nothing") {
    for (const auto& which : stages(2)) {
        if (which.stage != 2) continue;
        trial one({2, "--wait select"}, "select:eintr=0.5");
        CHECK(one.run().complete == 8);
        wait_often(one);
        CHECK(one.server.struck() > 0);
        one.finish();
    }
}

TEST_CASE("a signal every 100 microseconds loses nothing") {
    loses_nothing("timer=100");
}

TEST_CASE("a signal every 100 microseconds, and calls that fall short, lose nothing") {
    loses_nothing("timer=100 recv:short=0.5 send:short=0.5 send:eagain=0.2");
}

TEST_CASE("a wait that reports one event at a time loses nothing") {
    loses_nothing("epoll_wait:short=1.0", {.clients = 16}, 3);
}

TEST_CASE("events of clients that are idle or gone do no harm") {
    loses_nothing("epoll_wait:spurious=0.5", {.clients = 16}, 3);
}

TEST_CASE("poll reporting somebody who is not ready does no harm") {
    for (const auto& which : stages(2)) {
        if (which.stage != 2) continue;
        trial one(which, "poll:spurious=0.5");
        CHECK(one.run({.clients = 16}).complete == 16);
        wait_often(one);
        CHECK(one.server.struck() > 0);
        one.finish();
    }
}

TEST_CASE("a poll that is out of memory for a while is asked again") {
    for (const auto& which : stages(2)) {
        if (which.stage != 2) continue;
        trial one(which, "poll:enomem=20@2");
        CHECK(one.run().complete == 8);
        CHECK(one.server.struck() == 20);
        one.finish();
    }
}

TEST_CASE("everything short, spurious and interrupted at once loses nothing") {
    loses_nothing(
        "recv:short=0.5 recv:eagain=0.2 recv:eintr=0.2 send:short=0.5 send:eagain=0.2 "
        "send:eintr=0.2 epoll_wait:eintr=0.2 epoll_wait:spurious=0.2 epoll_wait:short=0.2 "
        "poll:eintr=0.2 poll:spurious=0.2 accept4:eintr=0.3 accept4:econnaborted=0.3");
}

TEST_CASE("over a Unix socket everything short loses nothing, either") {
    for (const auto& which : stages()) {
        INFO(which.name());
        const temporary_directory directory;
        trial one(which, "recv:short=0.6 send:short=0.6 recv:eagain=0.2 send:eagain=0.2",
                  "unix:" + directory.file("echo"));
        CHECK(one.run().complete == 8);
        CHECK(one.server.struck() > 0);
        one.finish();
    }
}

TEST_CASE("one client that is read and written byte by byte keeps no other waiting") {
    for (const auto& which : stages()) {
        INFO(which.name());
        trial one(which, "every=2 recv:byte=1.0 send:byte=1.0");
        client slow(one.server->where()); // the second to come: the one that is hit
        slow.send_all(pattern(1).text(60'000));
        const auto since = steady::now();
        for (int i = 0; i < 20; ++i) one.bystander.echo("meanwhile");
        CHECK(steady::now() - since < std::chrono::seconds(1) * patience);
        CHECK(pattern(1).difference(slow.receive_exactly(60'000), 0).value_or("") == "");
        CHECK(one.server.struck() > 0);
        slow.close();
        one.finish();
    }
}

/// The whole list of conformance about bytes, with 64 MiB and all.
TEST_CASE("the list of cases about bytes passes with short reads and writes throughout") {
    for (const auto& which : stages()) {
        INFO(which.name());
        const auto result = run_with_faults(
            "recv:short=0.3 send:short=0.3 recv:eagain=0.1 send:eagain=0.1 recv:eintr=0.1",
            {build_program("tests/check_server"), "--stage", std::to_string(which.stage),
             "--server-args=" + which.arguments, "[bytes]"},
            std::chrono::minutes(3));
        INFO(result.out);
        CHECK(result.ended.ok());
    }
}
