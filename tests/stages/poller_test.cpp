/// \file
/// The four ways to ask which descriptors are ready, behind one interface: stage 2's three and
/// stage 3's epoll.

#include "harness/catch.hpp"
#include "harness/unique_fd.hpp"
#include "stage2_nonblocking/runtime/poller.hpp"
#include "stage3_epoll_lt/runtime/poller.hpp"

#include <fcntl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>

using namespace std::chrono_literals;

namespace {

/// Two connected sockets: what is written to one can be read from the other.
struct pair {
    harness::unique_fd ours, theirs;

    pair() {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) ==
                0);
        ours = harness::unique_fd(ends[0]);
        theirs = harness::unique_fd(ends[1]);
    }
    void send() const { REQUIRE(::write(theirs.get(), "x", 1) == 1); }
    void receive() const {
        char byte = 0;
        REQUIRE(::read(ours.get(), &byte, 1) == 1);
    }
};

template <typename Poller>
std::vector<int> who(Poller& poller, std::chrono::milliseconds timeout = 0ms) {
    const auto ready = poller.wait(timeout);
    REQUIRE(ready);
    return {ready->begin(), ready->end()};
}

/// What every way of asking has in common.
template <typename Poller, typename Interest>
void tells_who_is_ready(Poller poller, Interest) {
    const pair a, b;
    REQUIRE(poller.add(a.ours.get(), Interest::read));
    REQUIRE(poller.add(b.ours.get(), Interest::read));
    CHECK(who(poller).empty());

    b.send();
    const std::vector only_b{b.ours.get()};
    CHECK(who(poller) == only_b);
    CHECK(who(poller, 10s) == only_b); // it is still so: level-triggered, all of them
    b.receive();
    CHECK(who(poller, 1ms).empty());

    poller.modify(a.ours.get(), Interest::write);
    CHECK(who(poller, 10s) == std::vector{a.ours.get()});
    poller.remove(a.ours.get());
    CHECK(who(poller).empty());
}

} // namespace

TEST_CASE("stage2: poll tells who is ready, for as long as it is so") {
    tells_who_is_ready(stage2::poller{stage2::wait_method::poll}, stage2::interest{});
}

TEST_CASE("stage2: select tells who is ready, for as long as it is so") {
    tells_who_is_ready(stage2::poller{stage2::wait_method::select}, stage2::interest{});
}

TEST_CASE("stage3: epoll tells who is ready, for as long as it is so") {
    stage3::poller poller;
    REQUIRE(poller.open());
    tells_who_is_ready(std::move(poller), stage3::interest{});
}

TEST_CASE("stage2: spinning says that everybody is, and does not wait") {
    const pair a, b;
    stage2::poller poller{stage2::wait_method::spin};
    REQUIRE(poller.add(a.ours.get(), stage2::interest::read));
    REQUIRE(poller.add(b.ours.get(), stage2::interest::read));
    CHECK(who(poller, 10s) == std::vector{a.ours.get(), b.ours.get()});
}

TEST_CASE("stage2: a peer that has gone away is somebody to be met") {
    for (const auto method : {stage2::wait_method::poll, stage2::wait_method::select}) {
        pair a;
        stage2::poller poller{method};
        REQUIRE(poller.add(a.ours.get(), stage2::interest::read));
        a.theirs.reset();
        CHECK(who(poller, 10s) == std::vector{a.ours.get()});
    }
}

TEST_CASE("stage2: select refuses a descriptor that its sets have no bit for") {
    const pair a;
    const harness::unique_fd high(::fcntl(a.ours.get(), F_DUPFD_CLOEXEC, FD_SETSIZE));
    if (high.get() < 0) {
        WARN("skipped: this process may not have 1024 descriptors");
        return;
    }
    stage2::poller poller{stage2::wait_method::select};
    const auto added = poller.add(high.get(), stage2::interest::read);
    REQUIRE_FALSE(added);
    CHECK(added.error().message() == "select: descriptor 1024 and above: bad file descriptor");
    CHECK(who(poller).empty());
}

TEST_CASE("stage3: epoll says what it can't watch") {
    stage3::poller poller;
    REQUIRE(poller.open());
    const auto added = poller.add(-1, stage3::interest::read);
    REQUIRE_FALSE(added);
    CHECK(added.error().message() == "epoll_ctl: bad file descriptor");
}

TEST_CASE("stage3: more may be ready than one call tells, and nobody is forgotten") {
    std::vector<pair> pairs(300);
    stage3::poller poller;
    REQUIRE(poller.open());
    for (const auto& each : pairs) {
        each.send();
        REQUIRE(poller.add(each.ours.get(), stage3::interest::read));
    }
    std::size_t met = 0;
    while (true) {
        const auto ready = who(poller);
        if (ready.empty()) break;
        CHECK(ready.size() <= 128);
        for (const int fd : ready) {
            char byte = 0;
            met += ::read(fd, &byte, 1) == 1;
        }
    }
    CHECK(met == pairs.size());
}
