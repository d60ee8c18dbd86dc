/// \file
/// How a wait of stage 4's poller ends: by an interrupt, a signal, a timer; never too early, and
/// in time. Names in brackets are those of Go's own tests.

#include "harness/catch.hpp"
#include "stage4_tools.hpp"

#include <pthread.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <functional>
#include <future>
#include <limits>
#include <thread>

using namespace stage4_tests;
using stage4::poll_status;

namespace {

/// How long a wait takes, in nanoseconds.
nanotime time_of(const std::function<void()>& what) {
    const nanotime before = stage4::now();
    what();
    return stage4::now() - before;
}

} // namespace

TEST_CASE("stage4: an interrupt ends a wait (Go: TestNetpollBreak)") {
    const auto poll = opened();
    std::promise<void> waits;
    std::thread somebody([&] {
        waits.get_future().wait(); // or the interrupt comes before: it must not matter
        for (int i = 0; i < 10; ++i) poll->interrupt();
    });
    const auto took = time_of([&] {
        waits.set_value();
        poll->wait(10 * second);
    });
    somebody.join();
    CHECK(took < 5 * second);
}

TEST_CASE("stage4: interrupts before a wait count as one, and are kept for who sleeps") {
    const auto poll = opened();
    for (int i = 0; i < 1000; ++i) poll->interrupt();
    CHECK(written_to_eventfd() == 1); // one system call
    poll->wait(0);                    // only looks, and leaves it
    poll->wait(0);
    CHECK(time_of([&] { poll->wait(10 * second); }) < 5 * second);
    CHECK(time_of([&] { poll->wait(30 * ms); }) >= 30 * ms); // the time over which we measure
    poll->interrupt();                                       // and the next one counts again
    CHECK(time_of([&] { poll->wait(10 * second); }) < 5 * second);
}

TEST_CASE("stage4: a signal ends a wait, which may return with nothing") {
    struct sigaction nothing {};
    nothing.sa_handler = [](int) {};
    struct sigaction before {};
    REQUIRE(::sigaction(SIGUSR2, &nothing, &before) == 0);
    const auto poll = opened();
    std::atomic<bool> returned = false;
    std::thread somebody([&, sleeper = ::pthread_self()] {
        while (!returned) { // the first may come before it sleeps
            ::pthread_kill(sleeper, SIGUSR2);
            std::this_thread::yield();
        }
    });
    const auto took = time_of([&] { poll->wait(10 * second); });
    returned = true;
    somebody.join();
    CHECK(took < 5 * second);
    ::sigaction(SIGUSR2, &before, nullptr);
}

TEST_CASE("stage4: a timer that is set while others sleep for longer wakes them in time") {
    const auto poll = opened();
    counter reader;
    const auto ends = connect_to_myself(transport::unix_socket);
    const auto pd = poll->add(ends.ours.get());
    REQUIRE(pd);
    REQUIRE((*pd)->block(direction::read, reader) == poll_status::parked);
    deliver(*poll);
    const nanotime before = stage4::now();
    std::atomic<nanotime> when = 0;
    std::thread somebody([&] {
        poll->set_deadline(**pd, direction::read, before + 60 * second); // nobody set: interrupts
        when = stage4::now() + 50 * ms;
        poll->set_deadline(**pd, direction::read, when); // earlier: interrupts
    });
    CHECK(woken(*poll, reader));
    somebody.join();
    CHECK(stage4::now() >= when);
    CHECK(stage4::now() < before + 10 * second);
    CHECK((*pd)->check(direction::read) == poll_status::timed_out);
}

TEST_CASE("stage4: an alarm fires once, not early, at the time it was set to last") {
    const auto poll = opened();
    counter sleeper;
    stage4::alarm alarm(sleeper);
    const nanotime when = stage4::now() + 20 * ms;
    poll->set_alarm(alarm, stage4::now() + ms);
    poll->set_alarm(alarm, when); // later
    CHECK(woken(*poll, sleeper));
    CHECK(stage4::now() >= when);
    CHECK(poll->timer_count() == 0);

    poll->set_alarm(alarm, stage4::now() + 60 * second);
    poll->set_alarm(alarm, stage4::now() + ms); // earlier
    CHECK(woken(*poll, sleeper, 2));

    poll->set_alarm(alarm, stage4::now() + ms);
    poll->set_alarm(alarm, 0); // not at all
    CHECK(poll->timer_count() == 0);
    poll->wait(5 * ms); // the time over which we measure
    CHECK(sleeper.wakes == 2);
}

TEST_CASE("stage4: a kernel without epoll_pwait2 waits in milliseconds, and never too short") {
    const auto poll = opened();
    let_fail(call::epoll_pwait2, ENOSYS);
    CHECK(time_of([&] { poll->wait(300 * us); }) >= 300 * us);
    CHECK(time_of([&] { poll->wait(1500 * us); }) >= 1500 * us);
    poll->interrupt();
    CHECK(time_of([&] { poll->wait(std::numeric_limits<std::int32_t>::max() * ms * 10); }) <
          5 * second);
}
