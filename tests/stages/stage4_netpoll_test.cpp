/// \file
/// Stage 4's poller with its descriptors: what it registers, and which events wake which waiter.
/// Each case is a subtlety of Go's netpoller, with the number of the issue (golang/go) from which
/// it was learned, if there is one.

#include "harness/catch.hpp"
#include "stage4_tools.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <utility>
#include <vector>

using namespace stage4_tests;
using stage4::poll_desc;
using stage4::poll_status;

namespace {

/// An end of a socket pair in a netpoll.
struct member {
    explicit member(stage4::netpoll& in)
        : poll(in), ends(connect_to_myself(transport::unix_socket)) {
        enter();
    }
    ~member() { leave(); }
    member(const member&) = delete;
    member& operator=(const member&) = delete;

    void enter() {
        const auto added = poll.add(ends.ours.get());
        REQUIRE(added);
        pd = *added;
    }
    void leave() {
        if (pd == nullptr) return;
        poll.unblock(*pd);
        poll.remove(*std::exchange(pd, nullptr));
    }
    void send() const { REQUIRE(::send(ends.theirs.get(), "x", 1, 0) == 1); }

    stage4::netpoll& poll;
    both_ends ends;
    poll_desc* pd = nullptr;
};

} // namespace

TEST_CASE("stage4: a descriptor is registered once, for everything, edge-triggered") {
    const int adds = epoll_ctl_count(EPOLL_CTL_ADD), mods = epoll_ctl_count(EPOLL_CTL_MOD),
              dels = epoll_ctl_count(EPOLL_CTL_DEL);
    {
        connection c;
        // What was asked for, and EPOLLERR and EPOLLHUP, which the kernel adds by itself.
        CHECK(registered(c.ours.get()) == "8000201f");
        CHECK(c.read() == pending);
        c.send("hello");
        CHECK(c.read_to_its_end() == "hello");
        c.park_writer();
        c.receive_all();
        CHECK(woken(*c.poll, c.writer));
        c.ours.set_deadline(direction::read, stage4::now() + ms);
        CHECK(c.read_to_its_end() == timeout);
    }
    CHECK(epoll_ctl_count(EPOLL_CTL_ADD) - adds == 2); // the eventfd is the other one
    CHECK(epoll_ctl_count(EPOLL_CTL_MOD) - mods == 0);
    CHECK(epoll_ctl_count(EPOLL_CTL_DEL) - dels == 1);
}

TEST_CASE("stage4: an edge tells all that is so: both sides may be woken by what concerns one") {
    const auto poll = opened();
    const member one(*poll);
    deliver(*poll); // writable, since it was added
    counter writer;
    REQUIRE(one.pd->prepare(direction::write) == poll_status::ready);
    REQUIRE(one.pd->block(direction::write, writer) == poll_status::parked);
    one.send(); // concerns the reader
    deliver(*poll);
    CHECK(writer.wakes == 1); // who tries, and finds it so or waits again
}

TEST_CASE("stage4: an error and nothing else is not pollable to a reader (Go issue 30817)") {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) == 0);
    harness::unique_fd out(ends[0]), in(ends[1]);
    const std::vector<char> much(65536);
    while (::write(in.get(), much.data(), much.size()) > 0) {}
    const auto poll = opened();
    const auto pd = poll->add(in.get());
    REQUIRE(pd);
    deliver(*poll);
    counter writer;
    REQUIRE((*pd)->prepare(direction::write) == poll_status::ready);
    REQUIRE((*pd)->block(direction::write, writer) == poll_status::parked);
    out.reset(); // a full pipe that nobody reads is not writable: EPOLLERR alone
    deliver(*poll);
    CHECK(writer.wakes == 1); // all the same
    CHECK((*pd)->check(direction::read) == poll_status::not_pollable);
    CHECK((*pd)->check(direction::write) == poll_status::ready); // write() will say EPIPE
    poll->unblock(**pd);
    poll->remove(**pd);
}

TEST_CASE("stage4: an event is dropped whose descriptor was closed and reused in the same batch "
          "(Go issues 59545, 19289)") {
    // The one that is woken first closes the other and opens a new one in its place, with
    // the same number and the same poll_desc. The old one's event is still in the batch.
    struct rival : stage4::waiter {
        rival() : waiter{&woke} {}
        static void woke(waiter& w) {
            auto& self = static_cast<rival&>(w);
            if (*self.is_over) return;
            *self.is_over = true;
            self.other->leave();
            self.other->ends = connect_to_myself(transport::unix_socket);
            self.other->enter();
            self.was_reused = true;
        }
        member* other = nullptr;
        bool* is_over = nullptr;
        bool was_reused = false;
    };
    const auto poll = opened();
    member a(*poll), b(*poll);
    bool is_over = false;
    rival of_a, of_b;
    of_a.other = &b;
    of_b.other = &a;
    of_a.is_over = of_b.is_over = &is_over;
    deliver(*poll);
    for (auto* const one : {&a, &b})
        REQUIRE(one->pd->prepare(direction::read) == poll_status::ready);
    REQUIRE(a.pd->block(direction::read, of_a) == poll_status::parked);
    REQUIRE(b.pd->block(direction::read, of_b) == poll_status::parked);
    const std::array before{a.pd, b.pd};
    a.send();
    b.send();
    poll->wait(0);
    REQUIRE(is_over);
    CHECK(std::array{a.pd, b.pd} == before); // the memory is the same

    const member& fresh = of_a.was_reused ? b : a;
    counter reader, writer;
    CHECK(fresh.pd->block(direction::read, reader) == poll_status::parked); // no edge of before
    CHECK(fresh.pd->block(direction::write, writer) == poll_status::parked);
    fresh.send();
    CHECK(woken(*poll, reader)); // but its own
}

TEST_CASE("stage4: more may be ready than one call tells, and nobody is forgotten") {
    const auto poll = opened();
    std::vector<std::unique_ptr<member>> all;
    std::vector<counter> readers(300);
    for (auto& reader : readers) {
        auto& one = *all.emplace_back(std::make_unique<member>(*poll));
        REQUIRE(one.pd->block(direction::read, reader) == poll_status::parked);
        one.send();
    }
    for (int turn = 0; turn < 3; ++turn) poll->wait(0); // 128 a turn
    for (const auto& reader : readers) CHECK(reader.wakes == 1);
}

TEST_CASE("stage4: what the kernel refuses to watch leaves nothing behind") {
    const auto poll = opened();
    const member one(*poll);
    const auto refused = poll->add(-1);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message() == "epoll_ctl: bad file descriptor");
    const auto twice = poll->add(one.ends.ours.get());
    REQUIRE_FALSE(twice);
    CHECK(twice.error().message() == "epoll_ctl: file exists");
    const member next(*poll); // in the same place
    CHECK(next.pd->sequence() == 2);
}

TEST_CASE("stage4: the memory of a descriptor is used again, and keeps the count of its lives") {
    const auto poll = opened();
    member one(*poll);
    const auto* const where = one.pd;
    for (std::uint32_t life = 0; life < 1000; ++life) {
        REQUIRE(one.pd == where);
        REQUIRE(one.pd->sequence() == life);
        one.leave();
        one.enter();
    }
}
