/// \file
/// Dialing several addresses, and two families that race: who wins and when, and what becomes of
/// the loser. The tags name Go's tests.

#include "stage5_coroutines/net/dial.hpp"
#include "stages/stage5_tools.hpp"

#include <memory>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using stage5::address;
using stage5::task;
using stage5::net::cancellation;
using stage5::net::dial_parallel;
using stage5::net::dial_serial;
using stage5_tools::both;
using stage5_tools::comes_true;
using stage5_tools::deaf_listener;
using stage5_tools::expect;
using stage5_tools::expect_same;
using stage5_tools::group;
using stage5_tools::in_a_world;
using stage5_tools::listen;
using stage5_tools::nobodys_address;
using stage5_tools::only;
using stage5_tools::said;

namespace {

constexpr std::chrono::nanoseconds never = 1h; ///< for a second family that must not wait for it

/// What the loser of a race still holds goes soon after: waits for that.
task<> no_more_frames_than(long before) {
    const long ours = 2; // this one, and the one that it awaits
    const bool gone = co_await comes_true(
        [most = before + ours] { return stage5::frame_cache::live() <= most; });
    expect(gone, "the loser of the race is gone");
}

/// Dials and closes; the time it took.
task<std::chrono::nanoseconds> race(std::vector<address> first, std::vector<address> second,
                                    std::chrono::nanoseconds delay, std::string winner) {
    const auto before = std::chrono::steady_clock::now();
    const auto frames = stage5::frame_cache::live();
    {
        const auto made = co_await dial_parallel("tcp", first, second, {}, delay);
        expect_same(made ? made->remote_addr().to_string() : said(made), winner);
    }
    const auto took = std::chrono::steady_clock::now() - before;
    co_await no_more_frames_than(frames);
    co_return took;
}

std::string refused(const address& at) {
    return "dial tcp " + at.to_string() + ": connect: connection refused";
}

} // namespace

TEST_CASE("stage5 dial: addresses of one family are tried in turn, and the first error counts",
          "[TestDialParallel]") {
    in_a_world(2, []() -> task<> {
        const auto l = listen();
        const auto nobody = nobodys_address("127.0.0.1");
        const auto another = nobodys_address("127.0.0.1");
        const auto none = std::make_shared<cancellation>();
        const auto second = co_await dial_serial("tcp", both(nobody, l.addr()), {}, none);
        expect_same(said(second), "ok");
        const auto failed = co_await dial_serial("tcp", both(nobody, another), {}, none);
        expect_same(said(failed), refused(nobody));
        const auto until = stage5::net::after(60s); // a thousand do not use up its shares
        const auto many = co_await dial_serial("tcp", std::vector(1000, l.addr()), until, none);
        expect_same(said(many), "ok");
    });
}

TEST_CASE("stage5 dial: who is fast enough wins, and the others get their chance when they should",
          "[TestDialParallel]") {
    if (!stage5_tools::has_ipv6()) return;
    in_a_world(2, []() -> task<> {
        const deaf_listener deaf;
        const auto slow = deaf.addr();
        const auto l4 = listen();
        const auto l6 = listen("[::1]:0");
        const auto v4 = l4.addr(), v6 = l6.addr();
        const auto no4 = nobodys_address("127.0.0.1"), no6 = nobodys_address("[::1]");
        const std::string name4 = v4.to_string(), name6 = v6.to_string();
        // The first family works; the second does not even begin.
        co_await race(only(v4), only(slow), never, name4);
        co_await race(only(v6), only(slow), never, name6);
        co_await race(both(no4, v4), only(slow), never, name4);
        co_await race(both(no6, v6), only(slow), never, name6);
        // The first family is slow: the second begins after the delay and wins.
        const auto took = co_await race(only(slow), only(v6), 20ms, name6);
        expect(took >= 20ms, "not before the delay");
        const auto skipped = co_await race(both(slow, slow), both(no6, v4), 20ms, name4);
        expect(skipped >= 20ms, "not before the delay, either");
        // The first family is refused: no need to wait for the delay.
        co_await race(only(no4), only(v6), never, name6);
        co_await race(only(no6), only(v4), never, name4);
        // All are refused: the first family's error, although it may come last.
        co_await race(only(no4), only(no6), never, refused(no4));
        co_await race(only(no6), only(no4), 0ms, refused(no6));
    });
}

TEST_CASE("stage5 dial: a race in which all are late ends with a timeout", "[TestDialParallel]") {
    in_a_world(2, []() -> task<> {
        const deaf_listener deaf;
        const auto frames = stage5::frame_cache::live();
        const auto until = stage5::net::after(30ms);
        const auto slow = only(deaf.addr());
        const auto made = co_await dial_parallel("tcp", slow, slow, until, 5ms);
        expect_same(said(made), "dial tcp " + deaf.addr().to_string() + ": i/o timeout");
        expect(std::chrono::steady_clock::now() >= until, "not before");
        co_await no_more_frames_than(frames);
    });
}

TEST_CASE("stage5 dial: who loses a race is closed", "[TestDialParallelSpuriousConnection]") {
    in_a_world(2, []() -> task<> {
        const auto one = listen(), other = listen();
        const auto frames = stage5::frame_cache::live();
        int connected = 0, alive = 0;
        for (int i = 0; i < 50; ++i) {
            const auto made = co_await dial_parallel("tcp", only(one.addr()), only(other.addr()),
                                                     {}, 0ns);
            expect_same(said(made), "ok");
            co_await no_more_frames_than(frames + 1);
            if (!made) continue;
            for (const auto& each : {one, other}) {
                static_cast<void>(each.set_deadline(stage5::net::after(2ms)));
                const auto server = co_await each.accept();
                if (!server) continue;
                ++connected;
                const auto is_ours = server->remote_addr().to_string() ==
                                     made->local_addr().to_string();
                if (is_ours) {
                    ++alive;
                    continue;
                }
                const auto got = co_await server->read(); // never returns, unless it is closed
                expect(!got || got->empty(), "the loser is closed");
            }
        }
        expect(alive == 50 && connected >= 50, "the winner is open");
    });
}

TEST_CASE("stage5 dial: races leave no descriptor behind", "[TestDialerDualStackFDLeak]") {
    if (!stage5_tools::has_ipv6()) return;
    in_a_world(4, []() -> task<> { // counts them at its end
        const auto l4 = listen(), l6 = listen("[::1]:0");
        const deaf_listener deaf;
        const auto dials = [](address first, address second,
                              std::chrono::nanoseconds delay) -> task<> {
            const auto made = co_await dial_parallel("tcp", only(first), only(second), {}, delay);
            expect_same(said(made), "ok");
        };
        const auto frames = stage5::frame_cache::live();
        group dialing;
        for (int i = 0; i < 50; ++i) {
            dialing.go(dials(l4.addr(), l6.addr(), 0ms));
            dialing.go(dials(deaf.addr(), l6.addr(), 1ms));
        }
        co_await dialing.wait();
        co_await no_more_frames_than(frames);
    });
}
