/// \file
/// --idle-timeout closes a connection that has sent nothing for that time, --write-timeout one that
/// has not read its answers; never early, and not much later. For the stages that have the options.

#include "conformance/target.hpp"
#include "harness/catch.hpp"
#include "harness/client.hpp"
#include "harness/crowd.hpp"
#include "harness/proc.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <functional>
#include <thread>

using namespace conformance;
using namespace harness;

namespace {

const milliseconds span{300 * patience};
const milliseconds slack{100 * patience};

std::string option(const std::string& name, milliseconds value = span) {
    return fmt::format("--{} {}ms", name, value.count());
}

/// True if the server under test has the options; otherwise says that it has none.
bool has_timeouts() {
    if (!under_test().can.has_timeouts) leave_out("this server has no timeouts");
    return under_test().can.has_timeouts;
}

/// How often a case may be tried again because the machine was too busy to measure.
constexpr int tries = 5;

/// How much later than `span` after the last echo the end came. REQUIREs that it was not early:
/// `sent` is when the client sent, which is before the server could begin to count.
milliseconds lateness(client& idle, steady::time_point sent, steady::time_point answered) {
    idle.expect_end();
    const auto ended = steady::now();
    REQUIRE(ended - sent >= span);
    return std::chrono::ceil<milliseconds>(ended - answered - span);
}

/// Takes a step after each pause, until it is over. \return whether none was so late that the
/// server may have been right to close
bool in_time(const std::function<void()>& step, milliseconds pause,
             const std::function<bool()>& over) {
    for (auto last = steady::now(); !over();) {
        std::this_thread::sleep_for(pause); // which is what is tested
        const auto late = [&] { return steady::now() - last > span / 3 * 2; };
        try {
            step();
        } catch (const std::exception&) {
            if (!late()) throw;
        }
        if (late()) return false;
        last = steady::now();
    }
    return true;
}

std::function<bool()> after_five_spans() {
    return [end = deadline(5 * span)] { return end.over(); };
}

/// Says something about every third of the span, five spans long. \return as in_time does
bool keeps_talking(const std::function<void()>& says) {
    return in_time(says, span / 3, after_five_spans());
}

/// A number of tries to be in time, with a client of its own each.
void keeps_one(const std::function<bool()>& talk) {
    for (int i = 0; i < tries; ++i)
        if (talk()) return;
    FAIL("this machine is too busy");
}

/// Connects `count` clients, which get one answer each and are then idle. \return whether they came
/// fast enough: if not, the first have been idle for as long as `idle` before the last come
bool time_out_together(std::size_t count, milliseconds idle) {
    const auto server = start_with(option("idle-timeout", idle));
    client first(server->where());
    first.echo("hello");
    const auto before = descriptor_count(server->pid()) - 1; // without that client
    first.close();

    const auto began = steady::now();
    auto since = began;
    crowd clients(server->where());
    try {
        clients.join_and_echo(count, 100);
        since = steady::now();
        clients.echo(1); // from here on they are silent, all of them
    } catch (const failure&) {
        if (steady::now() - began < idle) throw;
    }
    const auto answered = steady::now();
    if (answered - began >= idle) return false;

    CHECK(descriptor_count(server->pid()) == before + count);
    CHECK(wait_for([&] { return descriptor_count(server->pid()) < before + count; }));
    CHECK(steady::now() - since >= idle); // not one was early
    CHECK(wait_for([&] { return descriptor_count(server->pid()) == before; }));
    CHECK(steady::now() - answered <= idle + std::chrono::seconds(2) * patience);
    client(server->where()).echo("the next one");
    return true;
}

} // namespace

TEST_CASE("who says nothing is closed by --idle-timeout, never early and not much later",
          "[ours][timeouts]") {
    if (!has_timeouts()) return;
    const auto server = start_with(option("idle-timeout"));
    const auto measure = [&](bool speaks) {
        auto least = must_happen;
        for (int i = 0; i < tries && least > slack; ++i) {
            const auto before = steady::now();
            client idle(server->where());
            if (speaks) idle.echo("hello");
            least = std::min(least, lateness(idle, before, steady::now()));
        }
        return least;
    };
    CHECK(measure(true) <= slack);
    CHECK(measure(false) <= slack); // one who never says a word
    CHECK(server->running());
}

TEST_CASE("messages extend --idle-timeout", "[ours][timeouts]") {
    if (!has_timeouts()) return;
    const auto server = start_with(option("idle-timeout"));
    keeps_one([&] {
        client talking(server->where());
        auto sent = steady::now();
        const bool kept = keeps_talking([&] {
            sent = steady::now();
            talking.echo("still here");
        });
        if (kept) lateness(talking, sent, steady::now()); // and then it ends after all
        return kept;
    });
}

TEST_CASE("a byte now and then is enough for --idle-timeout, whether the echoes are read or not",
          "[ours][timeouts]") {
    if (!has_timeouts()) return;
    const auto server = start_with(option("idle-timeout"));
    keeps_one([&] {
        client dripping(server->where());
        std::string all;
        const bool kept = keeps_talking([&] {
            dripping.send_all("a");
            all += "a";
        });
        if (kept) CHECK(dripping.receive_exactly(all.size()) == all);
        return kept;
    });
}

TEST_CASE("a client that takes nothing is closed by --write-timeout, and no other",
          "[ours][timeouts]") {
    if (!has_timeouts()) return;
    const auto server = start_with(option("write-timeout"));
    client other(server->where());
    other.echo("before");
    const auto before = descriptor_count(server->pid());
    client stubborn(server->where(), 4096);
    const auto since = steady::now();
    std::uint64_t sent = 0;
    const auto takes_nothing_more = [&] {
        try {
            sent += stubborn.send_some(pattern(1).text(65536, sent));
            return false;
        } catch (const std::system_error&) {
            return true; // reset: as it should be
        }
    };
    CHECK(wait_for(takes_nothing_more));
    CHECK(comes_back_to(before, server->pid()));
    CHECK(steady::now() - since >= span);
    CHECK(steady::now() - since < span + std::chrono::seconds(3) * patience);
    other.echo("an idle client is not meant"); // longer than the timeout ago
    CHECK(server->running());
}

TEST_CASE("a client that takes slowly is not closed by --write-timeout", "[ours][timeouts]") {
    if (!has_timeouts()) return;
    const auto server = start_with(option("write-timeout"));
    keeps_one([&] {
        client slow(server->where(), 4096);
        const pattern bytes(1);
        std::uint64_t sent = 0;
        std::uint64_t got = 0;
        const auto take = [&](std::string_view some) {
            REQUIRE(bytes.difference(some, got).value_or("") == "");
            got += some.size();
        };
        const auto dawdle = [&] {
            sent += slow.send_some(bytes.text(1 << 20, sent)); // as fast as it can,
            take(slow.receive_some(4096));                     // and takes 400 KB a second at most
        };
        if (!in_time(dawdle, milliseconds(10), after_five_spans())) return false;
        slow.shutdown_write();
        const auto hurry = [&] {
            take(slow.receive_exactly(std::min<std::uint64_t>(4096, sent - got)));
        };
        if (!in_time(hurry, milliseconds(0), [&] { return got == sent; })) return false;
        slow.expect_end();
        return true;
    });
}

TEST_CASE("who took slowly once is not closed by --write-timeout when he has been served",
          "[ours][timeouts]") {
    if (!has_timeouts()) return;
    const auto server = start_with(option("write-timeout"));
    client once(server->where(), 4096);
    const pattern bytes(1);
    const auto sent = once.send_until_stuck(bytes, 20'000'000, span / 10); // his answers wait
    const auto got = once.receive_exactly(sent);
    CHECK(bytes.difference(got, 0).value_or("") == "");
    std::this_thread::sleep_for(2 * span); // he has nothing left to send or to read
    once.echo("again");
}

TEST_CASE("as many clients as it must hold time out in the same second, and nothing stays",
          "[ours][timeouts][crowd]") {
    if (!has_timeouts()) return;
    const auto count = under_test().can.clients;
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < count + 100)
        return leave_out(fmt::format("{} clients need as many descriptors (ulimit -Hn)", count));
    for (int i = 0; i < tries; ++i)
        if (time_out_together(count, std::chrono::seconds(4 << i) * patience)) return;
    FAIL("this machine is too busy");
}
