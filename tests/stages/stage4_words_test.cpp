/// \file
/// Stage 4's protocol between a waiter, the poller, deadlines and close, word by word: no
/// descriptor and no thread. What another thread would do between two steps of a call is done
/// there by hand. Each case is a subtlety of Go's netpoller; where it was learned from a bug, the
/// number of the issue (golang/go) is with it.

#include "harness/catch.hpp"
#include "stage4_tools.hpp"

#include <functional>
#include <limits>
#include <utility>
#include <vector>

using namespace stage4_tests;
using stage4::poll_desc;
using stage4::poll_status;

namespace {

/// What somebody else does in front of the n-th operation on an atomic; -1: nothing.
int steps_to_go = -1;
std::function<void()> somebody_else;

/// An atomic that lets somebody else come in between.
template <typename T>
class interruptible {
public:
    T load() const { return step(), value_; }
    void store(T value) { step(), value_ = value; }
    T exchange(T value) { return step(), std::exchange(value_, value); }
    T fetch_or(T bits) { return step(), std::exchange(value_, value_ | bits); }
    T fetch_and(T bits) { return step(), std::exchange(value_, value_ & bits); }
    bool compare_exchange_strong(T& expected, T wanted) {
        step();
        if (value_ == expected) return value_ = wanted, true;
        return expected = value_, false;
    }

private:
    static void step() {
        if (steps_to_go-- == 0) somebody_else();
    }
    T value_{};
};

using interruptible_desc = stage4::basic_poll_desc<interruptible>;

/// How a reader's block() ended that was interrupted.
struct outcome {
    poll_status status;
    int wakes; ///< of the reader, by the interruption
    int step;  ///< where it was
};

/// Parks a reader, once for each step of it before which it can be interrupted.
std::vector<outcome> into_every_step_of_parking(
    const std::function<void(interruptible_desc&, std::function<void(stage4::waiter&)>)>& who) {
    std::vector<outcome> all;
    for (int step = 0;; ++step) {
        interruptible_desc pd;
        pd.open(7);
        counter reader;
        bool came = false;
        somebody_else = [&] {
            came = true;
            who(pd, [&](stage4::waiter& w) { w.wake(w); });
        };
        steps_to_go = step;
        const auto status = pd.block(direction::read, reader);
        steps_to_go = -1;
        if (!came) return all; // it was over before
        all.push_back({status, reader.wakes, step});
    }
}

void edge(poll_desc& pd, direction s, std::uint32_t sequence) {
    if (auto* const w = pd.report_ready(s, sequence)) w->wake(*w);
}
void edge(poll_desc& pd, direction s = direction::read) {
    edge(pd, s, pd.sequence());
}
void wake(stage4::waiter& w) {
    w.wake(w);
}

/// A descriptor that lives.
struct living : poll_desc {
    living() { open(7); }
};

} // namespace

TEST_CASE("stage4: an edge before the wait is remembered, and taken without parking") {
    living pd;
    counter reader;
    REQUIRE(pd.prepare(direction::read) == poll_status::ready);
    edge(pd); // between EAGAIN and the wait
    CHECK(pd.block(direction::read, reader) == poll_status::ready);
    CHECK(reader.wakes == 0);
    CHECK(pd.block(direction::read, reader) == poll_status::parked); // it counted once
}

TEST_CASE("stage4: an edge at any step of parking is not lost (Go issue 45211)") {
    const auto all = into_every_step_of_parking([](auto& pd, const auto& wakes) {
        if (auto* const w = pd.report_ready(direction::read, pd.sequence())) wakes(*w);
    });
    CHECK(all.size() >= 4); // load, CAS to wait, recheck, CAS to waiter
    for (const auto& [status, wakes, step] : all) {
        INFO("in front of step " << step);
        CHECK(status == poll_status::ready);
        CHECK(wakes == 0); // it had not parked
    }
}

TEST_CASE("stage4: a close at any step of parking ends the wait (Go issue 48925)") {
    const auto all = into_every_step_of_parking([](auto& pd, const auto& w) { pd.close(w); });
    for (const auto& [status, wakes, step] : all) {
        INFO("in front of step " << step);
        CHECK(status == poll_status::closing);
        CHECK(wakes == 0);
    }
}

TEST_CASE("stage4: a deadline that comes at any step of parking ends the wait") {
    const auto past = into_every_step_of_parking(
        [](auto& pd, const auto& wakes) { pd.set_deadline(direction::read, 5, 10, wakes); });
    const auto fired = into_every_step_of_parking([](auto& pd, const auto& wakes) {
        pd.set_deadline(direction::read, 20, 10, wakes);
        pd.expire(20, wakes);
    });
    for (const auto& all : {past, fired})
        for (const auto& [status, wakes, step] : all) {
            INFO("in front of step " << step);
            CHECK(status == poll_status::timed_out);
            CHECK(wakes == 0);
        }
}

TEST_CASE("stage4: a deadline that fires and is moved at any step of parking leaves no trace") {
    const auto all = into_every_step_of_parking([](auto& pd, const auto& wakes) {
        pd.set_deadline(direction::read, 20, 10, wakes);
        pd.expire(20, wakes);
        pd.set_deadline(direction::read, 100, 21, wakes);
    });
    for (const auto& [status, wakes, step] : all) {
        INFO("in front of step " << step);
        CHECK(status == poll_status::parked);
        CHECK(wakes == 0);
    }
}

TEST_CASE("stage4: an edge counts, even if the deadline or a close comes before it is seen") {
    const auto all = into_every_step_of_parking([](auto& pd, const auto& wakes) {
        if (auto* const w = pd.report_ready(direction::read, pd.sequence())) wakes(*w);
        pd.set_deadline(direction::read, 5, 10, wakes);
        pd.close(wakes);
    });
    for (const auto& [status, wakes, step] : all) {
        INFO("in front of step " << step);
        CHECK(status == poll_status::ready); // the next call will tell about the rest
        CHECK(wakes == 0);
    }
}

TEST_CASE("stage4: prepare forgets the edges of before, which cost a try at most") {
    living pd;
    counter reader;
    edge(pd);
    edge(pd); // as good as one
    CHECK(pd.prepare(direction::read) == poll_status::ready);
    CHECK(pd.block(direction::read, reader) == poll_status::parked);
}

TEST_CASE("stage4: without prepare an edge of before the call is kept, as connect needs it") {
    living pd;
    counter writer;
    edge(pd, direction::write); // the registration's own
    CHECK(pd.block(direction::write, writer) == poll_status::ready);
}

TEST_CASE("stage4: one park, one wake") {
    living pd;
    counter reader;
    REQUIRE(pd.block(direction::read, reader) == poll_status::parked);
    edge(pd);
    edge(pd);
    pd.close(wake);
    CHECK(reader.wakes == 1);
}

TEST_CASE("stage4: the sides do not disturb each other") {
    living pd;
    counter reader, writer;
    REQUIRE(pd.block(direction::read, reader) == poll_status::parked);
    REQUIRE(pd.block(direction::write, writer) == poll_status::parked);
    edge(pd, direction::write);
    CHECK(std::pair(reader.wakes.load(), writer.wakes.load()) == std::pair(0, 1));
    pd.set_deadline(direction::read, 5, 10, wake);
    CHECK(std::pair(reader.wakes.load(), writer.wakes.load()) == std::pair(1, 1));
    CHECK(pd.check(direction::read) == poll_status::timed_out);
    CHECK(pd.check(direction::write) == poll_status::ready);
}

TEST_CASE("stage4: a second waiter on a direction is told so (Go: throw \"double wait\")") {
    living pd;
    counter first, another, other_side;
    REQUIRE(pd.block(direction::read, first) == poll_status::parked);
    CHECK(pd.block(direction::read, another) == poll_status::already_waiting);
    CHECK(pd.prepare(direction::read) == poll_status::already_waiting);
    CHECK(pd.block(direction::write, other_side) == poll_status::parked);
    edge(pd);
    CHECK(std::pair(first.wakes.load(), another.wakes.load()) == std::pair(1, 0));
}

TEST_CASE("stage4: a close wakes both sides and ends everything from then on") {
    living pd;
    counter reader, writer;
    REQUIRE(pd.block(direction::read, reader) == poll_status::parked);
    REQUIRE(pd.block(direction::write, writer) == poll_status::parked);
    pd.close(wake);
    CHECK(std::pair(reader.wakes.load(), writer.wakes.load()) == std::pair(1, 1));
    edge(pd); // too late to matter
    CHECK(pd.prepare(direction::read) == poll_status::closing);
    CHECK(pd.prepare(direction::write) == poll_status::closing);
}

TEST_CASE("stage4: closing is told before a deadline, a deadline before an error") {
    living pd;
    pd.record_event(pd.sequence(), false, true);
    CHECK(pd.check(direction::read) == poll_status::not_pollable);
    pd.set_deadline(direction::read, 5, 10, wake);
    CHECK(pd.check(direction::read) == poll_status::timed_out);
    pd.close(wake);
    CHECK(pd.check(direction::read) == poll_status::closing);
}

TEST_CASE("stage4: a mere error is for the reader, a writer gets it from write (Go issue 30817)") {
    living pd;
    pd.record_event(pd.sequence(), true, true);
    CHECK(pd.check(direction::read) == poll_status::not_pollable);
    CHECK(pd.check(direction::write) == poll_status::ready);
    pd.record_event(pd.sequence(), false, false); // any other event takes it back
    CHECK(pd.check(direction::read) == poll_status::ready);
    CHECK(pd.stops_short()); // but an announced end stays announced
    pd.end();
    pd.open(8);
    CHECK_FALSE(pd.stops_short()); // of that life
}

TEST_CASE("stage4: an event of a former life wakes nobody (Go issues 59545, 60133)") {
    living pd;
    const auto former = pd.sequence();
    pd.close(wake);
    pd.end();
    edge(pd, direction::read, former);
    pd.record_event(former, true, true);
    pd.open(8);
    CHECK(pd.sequence() != former);
    edge(pd, direction::read, former); // not remembered
    pd.record_event(former, true, true);
    CHECK_FALSE(pd.stops_short());
    counter reader;
    REQUIRE(pd.prepare(direction::read) == poll_status::ready);
    REQUIRE(pd.block(direction::read, reader) == poll_status::parked);
    edge(pd, direction::read, former);
    CHECK(reader.wakes == 0);
    edge(pd);
    CHECK(reader.wakes == 1);
}

TEST_CASE("stage4: an event that is 65536 lives old wakes once for nothing, and marks nothing") {
    // The words have room for 16 bits of the number. That an event stays in a batch for so long
    // can't be expected; if it did, its waiter would try, get EAGAIN, and wait again.
    living pd;
    const auto former = pd.sequence();
    for (int life = 0; life < 65536; ++life) {
        pd.end();
        pd.open(7);
        if (life == 65534) {
            edge(pd, direction::read, former); // the last number before it comes round
            counter reader;
            CHECK(pd.block(direction::read, reader) == poll_status::parked);
        }
    }
    CHECK(pd.sequence() == former + 65536);
    counter reader;
    REQUIRE(pd.block(direction::read, reader) == poll_status::parked);
    pd.record_event(former, true, true); // the other word has all 32
    CHECK_FALSE(pd.stops_short());
    CHECK(pd.check(direction::read) == poll_status::ready);
    edge(pd, direction::read, former);
    CHECK(reader.wakes == 1);
    CHECK(pd.prepare(direction::read) == poll_status::ready);
    CHECK(pd.block(direction::read, reader) == poll_status::parked);
}
