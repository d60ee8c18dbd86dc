/// \file
/// Stage 4's fd: accepting and connecting, with the poller turned by hand, and what comes of a
/// lack of descriptors. Each case is a subtlety of Go's, with the number of the issue (golang/go)
/// from which it was learned, or the name of Go's own test for it.

#include "harness/catch.hpp"
#include "harness/temporary_directory.hpp"
#include "stage4_epoll_et/net/listen.hpp"
#include "stage4_tools.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <vector>

using namespace stage4_tests;

namespace {

/// While it lives, this process gets no further descriptor.
class no_descriptors {
public:
    no_descriptors() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const harness::unique_fd probe(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        auto now = before_;
        now.rlim_cur = static_cast<rlim_t>(probe.get());
        ::setrlimit(RLIMIT_NOFILE, &now);
    }
    ~no_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    no_descriptors(const no_descriptors&) = delete;
    no_descriptors& operator=(const no_descriptors&) = delete;

private:
    rlimit before_{};
};

/// A client of ours in the poller, which has not connected yet.
struct dialing {
    dialing() {
        stage4::unique_fd fresh(::socket(AF_INET, SOCK_STREAM | stage4::socket_flags, 0));
        auto made = stage4::fd::open(*poll, std::move(fresh));
        REQUIRE(made);
        socket = std::make_unique<stage4::fd>(std::move(*made));
    }
    std::string connect(const stage4::address& to) { return told(socket->connect(to, dialer)); }
    std::string connect_to_the_end(const stage4::address& to) {
        auto result = connect(to);
        for (int wakes = 1; result == pending; ++wakes) {
            REQUIRE(woken(*poll, dialer, wakes));
            result = connect(to);
        }
        return result;
    }

    std::unique_ptr<stage4::netpoll> poll = opened();
    std::unique_ptr<stage4::fd> socket;
    counter dialer;
};

/// A listener that can take nobody more: a SYN is not answered.
struct full_listener {
    stage4::address where;
    stage4::unique_fd socket = listen_on_loopback(where, 0);
    std::vector<harness::unique_fd> clients;

    full_listener() {
        for (int i = 0; i < 3; ++i) {
            clients.emplace_back(::socket(AF_INET, SOCK_STREAM | stage4::socket_flags, 0));
            ::connect(clients.back().get(), &where.any, where.length);
        }
    }
};

} // namespace

TEST_CASE("stage4: accept tries first, waits on EAGAIN, and is told when a client comes") {
    listening l;
    const auto early = l.client();
    CHECK(l.accept() == done);
    CHECK(l.accept() == pending);
    const auto late = l.client();
    REQUIRE(woken(*l.poll, l.acceptor));
    CHECK(l.accept() == done);
    CHECK(registered(l.accepted->get()) == "8000201f");
    CHECK((::fcntl(l.accepted->get(), F_GETFL) & O_NONBLOCK) != 0);
    CHECK((::fcntl(l.accepted->get(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("stage4: one edge for several clients is enough") {
    listening l;
    REQUIRE(l.accept() == pending);
    const std::array clients{l.client(), l.client(), l.client()};
    REQUIRE(woken(*l.poll, l.acceptor));
    for (int i = 0; i < 3; ++i) CHECK(l.accept() == done);
    CHECK(l.accept() == pending);
}

TEST_CASE("stage4: out of descriptors, accept says so, and needs no new edge to go on") {
    listening l;
    const auto client = l.client();
    deliver(*l.poll);
    std::array<std::string, 2> answers;
    {
        const no_descriptors left; // nor has the sanitizer any, which a CHECK would need
        for (auto& answer : answers) answer = l.accept();
    }
    for (const auto& answer : answers) CHECK(answer == "accept4: too many open files");
    CHECK(l.accept() == done);
}

TEST_CASE("stage4: a client that the poller can't take is closed, and the listener goes on "
          "(Go issue 34392)") {
    listening l;
    const auto refused = l.client();
    let_fail(call::epoll_ctl, ENOSPC);
    CHECK(l.accept() == "epoll_ctl: no space left on device");
    arrives(refused.get(), POLLIN);
    char byte = 0;
    CHECK(::recv(refused.get(), &byte, 1, 0) == 0);
    const auto next = l.client();
    CHECK(l.accept() == done);
}

TEST_CASE("stage4: nobody hears of clients that are gone before they are accepted, nor of signals "
          "(Go: TestAcceptIgnoreAbortedConnRequest)") {
    for (const int error : {ECONNABORTED, EPROTO, EINTR}) {
        listening l;
        const auto client = l.client();
        let_fail(call::accept4, error, 0, 3);
        CHECK(l.accept() == done);
    }
}

TEST_CASE("stage4: a close wakes who waits to accept, and the port is free at once "
          "(Go: TestClosingListener, TestTCPListenAfterClose)") {
    listening l;
    REQUIRE(l.accept() == pending);
    const int number = l.socket.get();
    l.socket.close();
    CHECK(l.acceptor.wakes == 1);
    CHECK(::fcntl(number, F_GETFD) >= 0); // kept until accept has returned
    CHECK(l.accept() == closed);
    CHECK(::fcntl(number, F_GETFD) < 0);
    auto again = l.where;
    const stage4::unique_fd next(::socket(AF_INET, SOCK_STREAM | stage4::socket_flags, 0));
    CHECK(::bind(next.get(), &again.any, again.length) == 0);
}

TEST_CASE("stage4: accept and its deadline (Go: TestAcceptTimeout, MustReturn, MustNotReturn)") {
    listening l;
    const auto client = l.client();
    l.socket.set_deadline(direction::read, 1);
    for (int i = 0; i < 2; ++i) CHECK(l.accept() == timeout); // though there is a client
    l.socket.set_deadline(direction::read, 0);
    CHECK(l.accept() == done);

    const nanotime when = stage4::now() + 20 * ms;
    l.socket.set_deadline(direction::read, when);
    REQUIRE(l.accept() == pending);
    REQUIRE(woken(*l.poll, l.acceptor));
    CHECK(stage4::now() >= when);
    CHECK(l.accept() == timeout);

    l.socket.set_deadline(direction::read, 1);
    l.socket.set_deadline(direction::read, 0); // really cleared
    REQUIRE(l.accept() == pending);
    l.poll->wait(20 * ms); // the time over which we measure
    CHECK(l.acceptor.wakes == 1);
}

TEST_CASE("stage4: connect does not forget the edge that the registration brings") {
    listening l;
    dialing d;
    CHECK(d.connect_to_the_end(l.where) == done);
    const auto peer = l.accept();
    CHECK(peer == done);
}

TEST_CASE("stage4: connect is not taken in by an edge of before (Go issues 14548, 19289)") {
    const full_listener nobody_answers;
    dialing d;
    deliver(*d.poll); // a fresh socket is writable, and hung up
    CHECK(d.connect(nobody_answers.where) == pending);
    d.socket->set_deadline(direction::write, 1);
    CHECK(d.dialer.wakes == 1);
    CHECK(d.connect(nobody_answers.where) == timeout);
}

TEST_CASE("stage4: connect tells that nobody listens, and ends with its deadline or a close") {
    stage4::address where;
    { const auto gone = listen_on_loopback(where); }
    dialing refused;
    CHECK(refused.connect_to_the_end(where) == "connect: connection refused");

    const full_listener nobody_answers;
    dialing late;
    const nanotime when = stage4::now() + 20 * ms;
    late.socket->set_deadline(direction::write, when);
    CHECK(late.connect_to_the_end(nobody_answers.where) == timeout);
    CHECK(stage4::now() >= when);

    dialing closing;
    REQUIRE(closing.connect(nobody_answers.where) == pending);
    closing.socket->close();
    CHECK(closing.dialer.wakes == 1);
    CHECK(closing.connect(nobody_answers.where) == closed);
    CHECK(closing.socket->get() == -1);
}

TEST_CASE("stage4: a Unix socket's file is removed once, though somebody has made it again "
          "(Go issue 17131)") {
    const harness::temporary_directory directory;
    const auto path = std::filesystem::path(directory.file("echo.sock"));
    auto listener = stage4::listen({"unix", path.string(), 0});
    REQUIRE(listener);
    listener->path.remove();
    CHECK_FALSE(std::filesystem::exists(path));
    std::ofstream(path) << "somebody else's";
    listener->path.remove();
    CHECK(std::filesystem::exists(path));
}
