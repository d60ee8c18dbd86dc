/// \file
/// Stage 4's deadlines. Most cases are what the tests of Go's net package ask (timeout_test.go),
/// under their names; the poller is turned by hand.

#include "harness/catch.hpp"
#include "stage4_tools.hpp"

#include <poll.h>

#include <limits>
#include <optional>
#include <string>

using namespace stage4_tests;
using stage4::now;

namespace {

constexpr nanotime past = 1; // soon after the machine was started
constexpr nanotime largest = std::numeric_limits<nanotime>::max();

/// How late a read's deadline in `span` from now takes effect, in nanoseconds.
nanotime lateness(connection& c, nanotime span) {
    const nanotime when = now() + span;
    c.ours.set_deadline(direction::read, when);
    REQUIRE(c.read_to_its_end() == timeout);
    const nanotime late = now() - when;
    REQUIRE(late >= 0); // never early
    return late;
}

} // namespace

TEST_CASE("stage4: what is a deadline: 0 is none, now is over, the largest is far away") {
    struct row {
        nanotime when;
        std::string read, write;
    };
    for (const auto& [when, read, write] :
         {row{0, "data", done}, row{past, timeout, timeout}, row{-1, timeout, timeout},
          row{std::numeric_limits<nanotime>::min(), timeout, timeout}, row{now(), timeout, timeout},
          row{now() + 60 * second, "data", done}, row{largest, "data", done},
          row{largest - 1, "data", done}}) {
        INFO("deadline " << when);
        connection c;
        c.send("data");
        arrives(c.ours.get(), POLLIN);
        c.ours.set_deadline(direction::read, when);
        c.ours.set_deadline(direction::write, when);
        deliver(*c.poll);
        CHECK(c.read() == read);
        CHECK(c.write("data") == write);
        c.poll->wait(ms); // the largest does not overflow into the past there either
        c.written = 0;
        CHECK(c.write("data") == write);
    }
}

TEST_CASE("stage4: a deadline in the past fails even what is ready (Go: TestReadTimeout)") {
    connection c;
    c.send("data");
    arrives(c.ours.get(), POLLIN);
    deliver(*c.poll);
    c.ours.set_deadline(direction::read, past);
    for (int i = 0; i < 2; ++i) CHECK(c.read() == timeout);    // it stays so,
    c.ours.set_deadline(direction::read, now() + 60 * second); // until it is moved
    CHECK(c.read() == "data");
    c.ours.set_deadline(direction::read, past);
    CHECK(c.read() == timeout);
    c.ours.set_deadline(direction::read, 0); // or taken away
    CHECK(c.read() == pending);
}

TEST_CASE("stage4: a deadline in the past wakes who waits (Go: TestReadTimeoutUnblocksRead)") {
    connection c;
    REQUIRE(c.read() == pending);
    c.ours.set_deadline(direction::read, past);
    CHECK(c.reader.wakes == 1); // at once, without the poller
    CHECK(c.read() == timeout);
    c.ours.set_deadline(direction::read, past); // nobody waits now
    CHECK(c.reader.wakes == 1);
}

TEST_CASE(
    "stage4: a deadline in the past counts at once, though the one before it is due as well") {
    connection c;
    c.send("data");
    arrives(c.ours.get(), POLLIN);
    const nanotime first = now() + ms;
    c.ours.set_deadline(direction::read, first);
    REQUIRE(harness::wait_for([&] { return now() > first; })); // and nobody turns the poller
    c.ours.set_deadline(direction::read, first + 1);
    CHECK(c.read() == timeout);
}

TEST_CASE("stage4: a read's deadline that was cleared does not end it "
          "(Go: TestReadTimeoutMustNotReturn)") {
    connection c;
    c.ours.set_deadline(direction::read, past);
    c.ours.set_deadline(direction::write, past);
    c.ours.set_deadline(direction::read, 0);
    REQUIRE(c.read() == pending);
    c.poll->wait(20 * ms); // the time over which we measure
    CHECK(c.reader.wakes == 0);
    c.ours.close();
    CHECK(c.read() == closed);
}

TEST_CASE("stage4: a write's deadline that was cleared does not end it "
          "(Go: TestWriteTimeoutMustNotReturn)") {
    connection c;
    c.park_writer();
    c.ours.set_deadline(direction::write, now() + ms);
    c.ours.set_deadline(direction::write, 0);
    c.ours.set_deadline(direction::read, past);
    c.poll->wait(ms);
    c.poll->wait(20 * ms); // the time over which we measure
    CHECK(c.writer.wakes == 0);
    c.ours.close();
    CHECK(c.write("m") == closed);
}

TEST_CASE("stage4: a write that is late keeps the count of what was taken (Go: TestWriteTimeout)") {
    connection c;
    c.park_writer();
    const auto taken = c.written;
    CHECK(taken > 0);
    const nanotime when = now() + 20 * ms;
    c.ours.set_deadline(direction::write, when);
    REQUIRE(woken(*c.poll, c.writer));
    CHECK(now() >= when);
    const std::string message(taken + 1, 'm');
    for (int i = 0; i < 2; ++i) CHECK(c.write(message) == timeout);
    CHECK(c.written == taken);
    c.receive_all(); // there is room, but it is late all the same
    CHECK(c.write(message) == timeout);
}

TEST_CASE("stage4: a deadline is at most a tenth late, and never early "
          "(Go: TestReadTimeoutFluctuation)") {
    connection c;
    for (nanotime span = 100 * ms; lateness(c, span) > span / 10; span *= 2)
        REQUIRE(span < 4 * second * harness::patience); // a busy machine gets a larger one
}

TEST_CASE("stage4: deadlines of a nanosecond to a second are kept (Go: TestVariousDeadlines)") {
    connection c;
    for (const nanotime span :
         {nanotime{1}, 2 * nanotime{1}, 5 * nanotime{1}, 50 * nanotime{1}, 100 * nanotime{1},
          200 * nanotime{1}, 500 * nanotime{1}, 750 * nanotime{1}, us, 5 * us, 25 * us, 250 * us,
          500 * us, ms, 5 * ms, 100 * ms, 250 * ms, 500 * ms, second}) {
        INFO("deadline in " << span << " ns");
        CHECK(lateness(c, span) < 2 * second * harness::patience);
    }
}

TEST_CASE("stage4: a deadline set anew for each message never ends a conversation "
          "(Go: TestReadWriteProlongedTimeout)") {
    connection c;
    for (int i = 0; i < 1000; ++i) {
        c.ours.set_deadline(direction::read, now() + 60 * second);
        c.ours.set_deadline(direction::write, now() + 60 * second);
        c.written = 0;
        REQUIRE(c.write("ping") == done);
        c.send("pong");
        REQUIRE(c.read_to_its_end() == "pong");
        REQUIRE(c.receive_all() == "ping");
        REQUIRE(c.poll->timer_count() == 1); // one for both, and it stays where it is
    }
}

TEST_CASE("stage4: a deadline that fires, and is moved before the waiter runs, is no error") {
    connection c;
    const nanotime first = now() + ms;
    c.ours.set_deadline(direction::read, first);
    REQUIRE(c.read() == pending);
    REQUIRE(woken(*c.poll, c.reader));
    c.ours.set_deadline(direction::read, now() + 60 * second);
    CHECK(c.read() == pending); // it waits again
    c.send("data");
    CHECK(c.read_to_its_end() == "data");
}

TEST_CASE("stage4: the read's deadline leaves the writer alone, and the other way round") {
    connection c;
    c.park_writer();
    REQUIRE(c.read() == pending);
    const nanotime when = now() + 40 * ms;
    for (const direction s : {direction::read, direction::write})
        c.ours.set_deadline(s, when);                 // the same
    c.ours.set_deadline(direction::read, now() + ms); // and no longer
    REQUIRE(woken(*c.poll, c.reader));
    CHECK(c.read() == timeout);
    CHECK(c.writer.wakes == 0);
    REQUIRE(woken(*c.poll, c.writer));
    CHECK(now() >= when);
    c.ours.set_deadline(direction::write, 0);
    CHECK(c.read() == timeout); // still
    CHECK(c.write("") == done);
}

TEST_CASE("stage4: a later deadline costs no timer: the one that is set finds out") {
    connection c;
    const nanotime first = now() + 20 * ms;
    c.ours.set_deadline(direction::read, first);
    REQUIRE(c.read() == pending);
    const nanotime second_one = first + 20 * ms;
    c.ours.set_deadline(direction::read, second_one);
    CHECK(c.poll->timer_count() == 1);
    while (now() < first + 5 * ms) c.poll->wait(5 * ms); // the first time passes,
    CHECK((c.reader.wakes == 0 || now() >= second_one)); // and nothing comes of it
    REQUIRE(woken(*c.poll, c.reader));
    CHECK(now() >= second_one);
    CHECK(c.read() == timeout);
    CHECK(c.poll->timer_count() == 0);
}

TEST_CASE("stage4: an earlier deadline takes effect at once") {
    connection c;
    c.ours.set_deadline(direction::read, now() + 3600 * second);
    REQUIRE(c.read() == pending);
    c.ours.set_deadline(direction::read, now() + 5 * ms);
    CHECK(c.poll->timer_count() == 1);
    const nanotime before = now();
    REQUIRE(woken(*c.poll, c.reader));
    CHECK(now() - before < 5 * second);
}

TEST_CASE("stage4: a deadline that was taken away leaves a timer that does nothing, and goes") {
    connection c;
    c.ours.set_deadline(direction::read, now() + 5 * ms);
    REQUIRE(c.read() == pending);
    c.ours.set_deadline(direction::read, 0);
    c.poll->wait(10 * ms);
    c.poll->wait(10 * ms); // the time over which we measure
    CHECK(c.reader.wakes == 0);
    CHECK(c.poll->timer_count() == 0);
}

TEST_CASE("stage4: a close takes the timer along, and the next life has no deadline") {
    connection c;
    c.ours.set_deadline(direction::read, now() + 5 * ms);
    c.ours.set_deadline(direction::write, now() + 60 * second);
    c.ours.close();
    CHECK(c.poll->timer_count() == 0);
    auto ends = connect_to_myself(transport::tcp);
    auto next = stage4::fd::open(*c.poll, std::move(ends.ours)); // in the same place
    REQUIRE(next);
    std::string buffer(10, ' ');
    counter reader;
    REQUIRE(told(next->read(buffer, reader), buffer) == pending);
    c.poll->wait(10 * ms); // the time over which we measure
    CHECK(reader.wakes == 0);
    CHECK(told(next->write("x", c.written = 0, reader)) == done);
}

TEST_CASE("stage4: a deadline for what is just being closed sets no timer") {
    connection c;
    auto ends = connect_to_myself(transport::tcp);
    const auto pd = c.poll->add(ends.ours.get());
    REQUIRE(pd);
    c.poll->set_deadline(**pd, direction::read, now() + 3600 * second);
    c.poll->unblock(**pd);
    c.poll->set_deadline(**pd, direction::read,
                         now() + 60 * second); // another thread, a bit too late
    c.poll->remove(**pd);
    CHECK(c.poll->timer_count() == 0);
}
