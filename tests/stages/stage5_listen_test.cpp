/// \file
/// Listeners as Go's tests of package net expect them: who may listen where, accepting in
/// parallel, closing, and the files of Unix sockets. The tags name Go's tests.

#include "harness/temporary_directory.hpp"
#include "stages/stage5_tools.hpp"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <string>

using namespace std::chrono_literals;
using stage5::sleep_for;
using stage5::task;
using stage5::net::listener;
using stage5_tools::expect;
using stage5_tools::expect_same;
using stage5_tools::group;
using stage5_tools::in_a_world;
using stage5_tools::listen;
using stage5_tools::said;

namespace {

const std::string closed = "use of closed network connection";

task<> accept_once(listener from, std::string& text) {
    const auto client = co_await from.accept();
    text = said(client);
}

task<> accept_until_error(listener from, std::atomic<int>& accepted, std::atomic<int>& ended) {
    while (true) {
        const auto client = co_await from.accept();
        if (!client) {
            expect(client.error().is_closed(), said(client));
            break;
        }
        ++accepted;
    }
    ++ended;
}

/// As soon as all of them may.
task<> close_it(listener which, const std::atomic<bool>& now, std::atomic<int>& first) {
    while (!now) co_await stage5::yield();
    const auto closed_it = co_await which.close();
    if (closed_it) ++first;
}

std::string accept_says(const listener& of) {
    return "accept tcp " + of.addr().to_string() + ": " + closed;
}

bool exists(const std::string& path) {
    struct stat ignored {};
    return ::lstat(path.c_str(), &ignored) == 0;
}

/// "::" as a listener's address wants it.
std::string with_port(const std::string& host, int port) {
    const auto shown = host.contains(':') ? "[" + host + "]" : host;
    return shown + ":" + std::to_string(port);
}

} // namespace

TEST_CASE("stage5 net: an accept that waits ends when the listener closes, and so do later ones",
          "[TestListenerClose]") {
    in_a_world(2, []() -> task<> {
        const auto l = listen();
        std::string waiting, later;
        group acceptors;
        acceptors.go(accept_once(l, waiting));
        co_await sleep_for(1ms);
        const auto done = co_await l.close();
        expect_same(said(done), "ok");
        co_await acceptors.wait();
        expect_same(waiting, accept_says(l));
        co_await accept_once(l, later);
        expect_same(later, accept_says(l));
        expect_same(said(l.set_deadline(stage5_tools::past)),
                    "set tcp " + l.addr().to_string() + ": " + closed);
    });
}

TEST_CASE("stage5 net: a port is one listener's, and the second hears of it in Go's words",
          "[TestTCPListener]") {
    in_a_world(1, []() -> task<> {
        for (const auto host : {"127.0.0.1", ""}) {
            const auto first = listen(std::string(host) + ":0");
            const auto port = ntohs(first.addr().in.sin_port);
            const auto second = stage5::net::listen("tcp", with_port(host, port));
            expect_same(said(second),
                        "listen tcp " + with_port(host, port) + ": bind: address already in use");
        }
        co_return;
    });
}

TEST_CASE("stage5 net: which listeners can share a port", "[TestDualStackTCPListener]") {
    struct row {
        std::string network1, host1, network2, host2;
        bool allowed;
    };
    static const std::array<row, 17> rows{{
        {"tcp", "", "tcp", "", false},
        {"tcp", "", "tcp", "0.0.0.0", false},
        {"tcp", "0.0.0.0", "tcp", "", false},
        {"tcp", "", "tcp", "::", false},
        {"tcp", "::", "tcp", "", false},
        {"tcp", "0.0.0.0", "tcp", "::", false},
        {"tcp", "::", "tcp", "0.0.0.0", false},
        {"tcp", "::ffff:0.0.0.0", "tcp", "::", false},
        {"tcp", "::", "tcp", "::ffff:0.0.0.0", false},
        {"tcp4", "", "tcp6", "", true},
        {"tcp6", "", "tcp4", "", true},
        {"tcp4", "0.0.0.0", "tcp6", "::", true},
        {"tcp6", "::", "tcp4", "0.0.0.0", true},
        {"tcp", "127.0.0.1", "tcp", "::1", true},
        {"tcp", "::1", "tcp", "127.0.0.1", true},
        {"tcp4", "127.0.0.1", "tcp6", "::1", true},
        {"tcp6", "::1", "tcp4", "127.0.0.1", true},
    }};
    if (!stage5_tools::has_ipv6()) return;
    in_a_world(1, []() -> task<> {
        for (const auto& [network1, host1, network2, host2, allowed] : rows) {
            const auto text = network1 + " " + host1 + ", then " + network2 + " " + host2;
            bool was_allowed = false;
            // The port of the first may be somebody else's in the other family: once more, then.
            for (int i = 0; i < (allowed ? 5 : 1) && !was_allowed; ++i) {
                const auto first = stage5::net::listen(network1, with_port(host1, 0));
                if (!first) co_return expect(false, text + ": " + said(first));
                const auto port = ntohs(first->addr().in.sin_port);
                const auto second = stage5::net::listen(network2, with_port(host2, port));
                was_allowed = second.has_value();
                const auto says = said(second);
                if (!second) expect(says.ends_with("bind: address already in use"), says);
            }
            expect(was_allowed == allowed, text);
        }
    });
}

TEST_CASE("stage5 net: an address is free again as soon as its listener is closed",
          "[TestClosingListener]") {
    in_a_world(2, []() -> task<> {
        const auto first = listen();
        const auto name = first.name();
        const auto client = co_await stage5_tools::dial(name);
        const auto server = co_await first.accept(); // a connection keeps the port busy, too
        expect_same(said(server), "ok");
        std::atomic<int> accepted = 0, ended = 0;
        group acceptors;
        acceptors.go(accept_until_error(first, accepted, ended));
        co_await sleep_for(1ms);
        const auto done = co_await first.close();
        expect_same(said(done), "ok");
        const auto second = stage5::net::listen("tcp", name);
        expect_same(said(second), "ok");
        co_await acceptors.wait();
    });
}

TEST_CASE("stage5 net: a listener knows the port that the kernel chose", "[TestTCPListenerName]") {
    in_a_world(1, []() -> task<> {
        for (const std::string network : {"tcp", "tcp4"}) {
            const auto l = listen("127.0.0.1:0", network);
            expect(ntohs(l.addr().in.sin_port) != 0, "a port");
            expect_same(l.name(), l.addr().to_string());
            expect(l.name().starts_with("127.0.0.1:"), l.name());
        }
        co_return;
    });
}

TEST_CASE("stage5 net: ten may accept at once, and all of them end when it is closed",
          "[TestTCPConcurrentAccept]") {
    for (const unsigned threads : {1U, 4U})
        in_a_world(threads, []() -> task<> {
            const auto l = listen();
            std::atomic<int> accepted = 0, ended = 0;
            group acceptors;
            for (int i = 0; i < 10; ++i) acceptors.go(accept_until_error(l, accepted, ended));
            for (int i = 0; i < 30; ++i) static_cast<void>(co_await stage5_tools::dial(l.name()));
            const bool all = co_await stage5_tools::comes_true([&] { return accepted == 30; });
            expect(all, "each connection is accepted, once");
            expect(ended == 0, "nobody ends before");
            const auto done = co_await l.close();
            expect_same(said(done), "ok");
            co_await acceptors.wait();
            expect(ended == 10 && accepted == 30, "all end");
        });
}

TEST_CASE("stage5 net: who has connected is not accepted after the listener was closed",
          "[TestTCPListenAfterClose]") {
    in_a_world(2, []() -> task<> {
        const auto l = listen();
        const auto client = co_await stage5_tools::dial(l.name());
        const auto done = co_await l.close();
        expect_same(said(done), "ok");
        std::string says;
        co_await accept_once(l, says);
        expect_same(says, accept_says(l));
        const auto got = co_await client.read(); // the kernel has told whom nobody accepts
        expect(!got && got.error().number() == ECONNRESET, said(got));
    });
}

TEST_CASE("stage5 net: a Unix socket's file goes away with its listener, once",
          "[TestUnixUnlink]") {
    static const harness::temporary_directory place;
    in_a_world(4, []() -> task<> {
        const auto path = place.file("socket");
        {
            const auto dropped = listen(path, "unix");
            expect(exists(path), "while it listens");
            expect_same(dropped.name(), "unix:" + path);
        }
        expect(!exists(path), "the last handle was dropped");

        const auto first = listen(path, "unix");
        const auto done = co_await first.close();
        expect_same(said(done), "ok");
        expect(!exists(path), "it was closed");

        const auto second = listen(path, "unix");
        const auto error = co_await first.close();
        expect_same(said(error), "close unix " + path + ": " + closed);
        expect(exists(path), "another one's by now");

        std::atomic<int> were_first = 0;
        std::atomic<bool> now = false;
        group closers;
        for (int i = 0; i < 8; ++i) closers.go(close_it(second, now, were_first));
        co_await sleep_for(25ms); // until they have spread over all threads
        now = true;
        co_await closers.wait();
        expect(were_first == 1, "one of those that close at once was the first");
        expect(!exists(path), "it was closed, too");
    });
}

TEST_CASE("stage5 net: an abstract name has no file, and is free after the close",
          "[TestUnixAbstractLongNameNulStart]") {
    in_a_world(1, []() -> task<> {
        const std::string longest = "@" + std::string(107, 'n');
        for (const auto& name : {std::string("@stage5-abstract"), longest}) {
            for (int i = 0; i < 2; ++i) {
                const auto l = listen(name, "unix");
                expect_same(l.name(), "unix:" + name);
                const auto client = co_await stage5_tools::dial(name, "unix");
                expect_same(client.remote_addr().to_string(), name);
                const auto done = co_await l.close();
                expect_same(said(done), "ok");
            }
        }
    });
}
