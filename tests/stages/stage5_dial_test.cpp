/// \file
/// Dialing as Go's tests of package net expect it: time limits, several addresses, and
/// whatever the kernel makes of a connection to nobody. The tags name Go's tests.

#include "stage5_coroutines/net/dial.hpp"
#include "stages/stage5_tools.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <limits>
#include <memory>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using stage5::address;
using stage5::sleep_for;
using stage5::task;
using stage5::net::cancellation;
using stage5::net::dial_serial;
using stage5::net::listener;
using stage5_tools::both;
using stage5_tools::deaf_listener;
using stage5_tools::expect;
using stage5_tools::expect_same;
using stage5_tools::group;
using stage5_tools::in_a_world;
using stage5_tools::listen;
using stage5_tools::nobodys_address;
using stage5_tools::said;

namespace {

std::string refused(const address& at) {
    return "dial tcp " + at.to_string() + ": connect: connection refused";
}

task<> dial_and_write(std::string name) {
    const auto made = co_await stage5::net::dial("tcp", name, 5s);
    if (made) {
        stage5_tools::reset_at_close(*made); // or the ports would run out
        const auto written = co_await made->write(std::string_view("x"));
        expect(written || written.error().number() == EPIPE ||
                   written.error().number() == ECONNRESET,
               said(written)); // and never ENOTCONN
    } else {
        const int why = made.error().number();
        expect(why == ECONNREFUSED || why == ECONNRESET || made.error().is_timeout(), said(made));
    }
}

task<> accept_some_and_close(listener from, int count) {
    for (int i = 0; i < count; ++i) {
        const auto client = co_await from.accept();
        if (!client) break;
    }
    from.close_now();
}

task<> cancel_soon(std::shared_ptr<cancellation> race) {
    co_await sleep_for(2ms);
    race->cancel();
}

} // namespace

TEST_CASE("stage5 dial: where nobody answers, the time limit ends it", "[TestDialTimeout]") {
    in_a_world(2, []() -> task<> {
        const deaf_listener deaf;
        const auto name = deaf.addr().to_string();
        for (const std::chrono::nanoseconds limit : {-5s, 0s}) {
            const auto before = std::chrono::steady_clock::now();
            const auto given = limit == 0s ? 10ms : limit;
            const auto made = co_await stage5::net::dial("tcp", name, given);
            expect_same(said(made), "dial tcp " + name + ": i/o timeout");
            expect(!made && made.error().is_timeout(), "its kind");
            const auto took = std::chrono::steady_clock::now() - before;
            expect(took >= given && took < 10s, "when it ended");
        }
        const auto made = co_await stage5::net::dial("tcp", name, std::chrono::nanoseconds(-1));
        expect(!made && made.error().is_timeout(), "a nanosecond too late");
    });
}

TEST_CASE("stage5 dial: the longest time limit there is is no limit in the past",
          "[TestDialTimeoutMaxDuration]") {
    in_a_world(1, []() -> task<> {
        const auto l = listen();
        const auto longest = std::chrono::nanoseconds::max();
        expect_same(said(co_await stage5::net::dial("tcp", l.name(), longest)), "ok");
        const auto most = stage5::net::deadline::max();
        const auto two = both(nobodys_address("127.0.0.1"), l.addr());
        const auto race = std::make_shared<cancellation>();
        const auto made = co_await dial_serial("tcp", two, most, race);
        expect_same(said(made), "ok");
    });
}

TEST_CASE("stage5 dial: no host is this machine", "[TestDialLocal]") {
    in_a_world(1, []() -> task<> {
        const auto l = listen();
        const auto port = fmt::format(":{}", ntohs(l.addr().in.sin_port));
        for (const std::string host : {"", "0.0.0.0", "localhost", "127.0.0.1"}) {
            const auto made = co_await stage5::net::dial("tcp", host + port, 5s);
            expect_same(said(made), "ok");
            if (made) expect_same(made->remote_addr().to_string(), "127.0.0.1" + port);
        }
    });
}

TEST_CASE("stage5 dial: where nobody listens, it is refused, and says whom it meant") {
    in_a_world(1, []() -> task<> {
        const auto nobody = nobodys_address("127.0.0.1");
        const auto made = co_await stage5::net::dial("tcp", nobody.to_string());
        expect_same(said(made), refused(nobody));
        expect(!made && made.error().number() == ECONNREFUSED, "its number");
        expect(!made && !made.error().is_timeout(), "its kind");
        const auto none = co_await stage5::net::dial("unix", "/nobody/listens");
        expect_same(said(none), "dial unix /nobody/listens: connect: no such file or directory");
        const auto no_port = co_await stage5::net::dial("tcp", "127.0.0.1");
        expect_same(said(no_port), "dial tcp: address 127.0.0.1: missing port in address");
    });
}

TEST_CASE("stage5 dial: several addresses share the time that is left",
          "[TestDialerPartialDeadline]") {
    struct row {
        std::chrono::milliseconds now, until; ///< after some point in time
        std::size_t addresses;
        std::chrono::milliseconds wanted;
    };
    const auto at = [some = std::chrono::steady_clock::now()](auto offset) {
        return some + offset;
    };
    for (const auto& [now, until, addresses, wanted] : {
             row{0s, 12s, 1, 12s}, // a share each
             row{0s, 12s, 2, 6s},
             row{0s, 12s, 3, 4s},
             row{0s, 12s, 999, 2s}, // no less than what is sane
             row{0s, 1900ms, 999, 1900ms},
             row{-1ms, 0s, 1, 0s},
         })
        CHECK(stage5::net::partial_deadline(at(now), at(until), addresses) == at(wanted));
    const stage5::net::deadline none;
    CHECK(stage5::net::partial_deadline(at(0s), none, 1) == none);
    CHECK_FALSE(stage5::net::partial_deadline(at(0s), at(0s), 1));
    CHECK_FALSE(stage5::net::partial_deadline(at(1ms), at(0s), 1));
}

TEST_CASE("stage5 dial: it can be given up from outside", "[TestDialCancel]") {
    in_a_world(2, []() -> task<> {
        const deaf_listener deaf;
        const auto race = std::make_shared<cancellation>();
        group others;
        others.go(cancel_soon(race));
        const auto slow = both(deaf.addr(), deaf.addr());
        const auto made = co_await dial_serial("tcp", slow, {}, race);
        expect_same(said(made),
                    "dial tcp " + deaf.addr().to_string() + ": use of closed network connection");
        const auto later = co_await dial_serial("tcp", slow, {}, race);
        expect(!later && later.error().is_closed(), "it stays so");
        co_await others.wait();
    });
}

TEST_CASE("stage5 dial: a connection that was made has a peer, even if its listener is closing",
          "[TestTCPSpuriousConnSetupCompletion]") {
    in_a_world(4, []() -> task<> {
        for (int round = 0; round < 10; ++round) {
            const auto l = listen();
            group all;
            all.go(accept_some_and_close(l, 100));
            for (int i = 0; i < 200; ++i) all.go(dial_and_write(l.name()));
            co_await all.wait();
        }
    });
}
