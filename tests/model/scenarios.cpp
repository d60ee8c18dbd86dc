/// \file
/// Each scenario is as small as it can be and still have its races in it: it is explored whole.

#include "scenarios.hpp"

#include "actors.hpp"

#include <algorithm>

namespace model {
namespace {

/// The clients have ended with one of these; `none` is to wait in vain, rightly.
auto ends(std::size_t client, const std::vector<outcome>& allowed) {
    return [=](const world& end) {
        const auto ended_with = end.clients[client].ended_with;
        if (std::ranges::find(allowed, ended_with) != allowed.end()) return;
        throw violation("client " + std::to_string(client) + " has ended with outcome " +
                        std::to_string(ended_with));
    };
}

template <typename... Conditions>
std::function<void(const world&)> all(const Conditions&... conditions) {
    return [=](const world& end) {
        check_quiet(end);
        (conditions(end), ...);
    };
}

std::function<void()> with_deadline(int when) {
    return [=] { open_first(when); };
}

void no_deadline() {
    open_first(0);
}

void one_is_told(const world& end) {
    const auto first = end.clients[0].ended_with;
    const auto second = end.clients[1].ended_with;
    if (first + second != second_waiter) throw violation("not one of two is told"); // `none` is 0
}

actor a_reader() {
    return client("reader", {.client = 0});
}
actor a_writer() {
    return client("writer", {.client = 1, .where = direction::write});
}
actor next_reader() {
    return client("next reader", {.client = 2});
}
/// Waits first when its last read was short. \param room in its buffer
actor short_reader(std::uint8_t wanted, std::uint8_t room = 255) {
    return client("reader", {.client = 0, .wanted = wanted, .how = manner::may_skip, .room = room});
}
actor a_byte() {
    return network(0, direction::read, 1);
}

/// So small that a person finds the way to a violation: levels of the page docs/en/lose.md.
std::vector<scenario> smallest() {
    return {
        {"a byte", no_deadline, {a_reader(), a_byte(), poller()}, all(ends(0, {got_all}))},

        {"a close", no_deadline, {a_reader(), closer()}, all(ends(0, {closed}))},

        {"a deadline",
         with_deadline(2),
         {a_reader(), clock(1), timers()},
         all(ends(0, {timed_out}))},

        {"a deadline that has passed when it is set",
         no_deadline,
         {a_reader(), setter({1})},
         all(ends(0, {timed_out}))},

        {"a byte, a deadline, and a close",
         with_deadline(2),
         {a_reader(), a_byte(), poller(), clock(1), timers(), closer()},
         all(ends(0, {got_all, timed_out, closed}))},

        {"an end, and the next owner",
         no_deadline,
         {network(0, direction::read, 0, true), poller(), closer(true)},
         all()},

        {"bytes and an end",
         no_deadline,
         {short_reader(9), peer({"..$"}), poller()},
         all(ends(0, {got_end}))},
    };
}

std::vector<scenario> edges() {
    return {
        {"an edge finds its reader wherever it is",
         no_deadline,
         {client("reader", {.client = 0, .wanted = 3}), network(0, direction::read, 3), poller()},
         all(ends(0, {got_all}))},

        {"after a short read a reader waits first, and finds the end",
         no_deadline,
         {short_reader(9), network(0, direction::read, 2, true), poller()},
         all(ends(0, {got_end}))},

        {"after a short read a reader finds an end that has come along with bytes",
         no_deadline,
         {short_reader(9), peer({".", "..$"}), poller()},
         all(ends(0, {got_end}))},

        {"a reader with a small buffer gets every byte: only a short read drains",
         no_deadline,
         {short_reader(5, 2), peer({"..", "..."}), poller()},
         all(ends(0, {got_all}))},

        {"a read that is short because of urgent data loses nothing behind it",
         no_deadline,
         {short_reader(5), peer({"!", ".", ".!.", ".!", "."}), poller()},
         all(ends(0, {got_all}))},

        {"a short read loses nothing when a second urgent byte replaces the first",
         no_deadline,
         {short_reader(4), peer({".!", ".!", "..!"}), poller()},
         all(ends(0, {got_all}))},

        {"a short read finds an end behind urgent data",
         no_deadline,
         {short_reader(9), peer({".!", ".!$"}), poller()},
         all(ends(0, {got_end}))},

        {"small reads around urgent data lose nothing",
         no_deadline,
         {short_reader(9, 2), peer({"...!..", "!.", "$"}), poller()},
         all(ends(0, {got_end}))},

        {"who connects waits first",
         no_deadline,
         {client("connector", {.client = 0, .where = direction::write, .how = manner::waits_first}),
          network(0, direction::write, 1), poller()},
         all(ends(0, {got_all}))},

        {"reader and writer do not meet",
         no_deadline,
         {a_reader(), a_writer(), a_byte(), network(0, direction::write, 1), poller()},
         all(ends(0, {got_all}), ends(1, {got_all}))},

        {"of two readers one waits, and the other is told",
         no_deadline,
         {a_reader(), client("second", {.client = 1})},
         all(one_is_told)},

        {"of two readers and a byte, nobody is lost",
         no_deadline,
         {a_reader(), client("second", {.client = 1}), a_byte(), poller()},
         all(ends(0, {none, got_all, second_waiter}), ends(1, {none, got_all, second_waiter}))},
    };
}

/// Time begins at 1.
std::vector<scenario> deadline_races() {
    return {
        {"a deadline and an edge",
         with_deadline(2),
         {a_reader(), a_byte(), poller(), clock(1), timers()},
         all(ends(0, {got_all, timed_out}))},

        {"a deadline is moved to later while it expires",
         with_deadline(2),
         {a_reader(), setter({4}), clock(2), timers()},
         all(ends(0, {none, timed_out}))},

        {"a deadline that was moved to later comes after all",
         with_deadline(2),
         {a_reader(), setter({3}), clock(3), timers()},
         all(ends(0, {timed_out}))},

        {"a deadline is taken away while it expires",
         with_deadline(2),
         {a_reader(), setter({0}), a_byte(), poller(), clock(1), timers()},
         all(ends(0, {got_all, timed_out}))},

        {"a deadline is pulled to earlier",
         with_deadline(4),
         {a_reader(), setter({2}), clock(2), timers()},
         all(ends(0, {timed_out}))},

        {"a deadline in the past is now",
         no_deadline,
         {a_reader(), setter({1}), a_byte(), poller()},
         all(ends(0, {got_all, timed_out}))},

        {"what has expired lives again",
         no_deadline,
         {a_reader(), setter({1, 0}), a_byte(), poller()},
         all(ends(0, {got_all, timed_out}))},

        {"two set the deadline at once",
         with_deadline(2),
         {a_reader(), setter({3}), setter({0}, "another"), clock(1), timers()},
         all(ends(0, {none, timed_out}))},
    };
}

std::vector<scenario> closing() {
    return {
        {"close and an edge",
         no_deadline,
         {a_reader(), a_byte(), poller(), closer()},
         all(ends(0, {got_all, closed}))},

        {"close wakes both sides",
         no_deadline,
         {a_reader(), a_writer(), closer()},
         all(ends(0, {closed}), ends(1, {closed}))},

        {"close and a deadline that expires and is moved",
         with_deadline(2),
         {a_reader(), setter({3}), clock(1), timers(), closer()},
         all(ends(0, {closed, timed_out}))},
    };
}

std::vector<scenario> reusing() {
    return {
        {"an old event and the next owner",
         no_deadline,
         {a_reader(), a_byte(), poller(), closer(true), next_reader()},
         all(ends(2, {none}))},

        {"an old event, a new one, and the next owner",
         no_deadline,
         {a_byte(), network(1, direction::read, 1), poller(), closer(true), next_reader()},
         all(ends(2, {got_all}))},

        {"an old end and the next owner",
         no_deadline,
         {network(0, direction::read, 0, true), poller(), closer(true), next_reader()},
         all(ends(2, {none}))},

        {"an old timer and the next owner",
         with_deadline(3),
         {setter({2}), clock(2), timers(), closer(true), next_reader()},
         all(ends(2, {none}))},

        {"all of them",
         with_deadline(2),
         {a_reader(), a_byte(), poller(), setter({3}), clock(1), timers(), closer(true),
          next_reader()},
         all(ends(2, {none}))},
    };
}

} // namespace

std::vector<scenario> scenarios() {
    auto all_of_them = smallest();
    for (const auto& some : {edges(), closing(), deadline_races(), reusing()})
        all_of_them.insert(all_of_them.end(), some.begin(), some.end());
    return all_of_them;
}

std::vector<scenario> bounded_scenarios() {
    return {};
}

std::vector<scenario> long_scenarios() {
    return {};
}

std::vector<scenario> misuses() {
    return {
        {"a reset without a try drops an edge",
         no_deadline,
         {client("reader", {.client = 0, .how = manner::forgets_edge}),
          network(0, direction::read, 1), poller()},
         all(ends(0, {got_all}))},

        {"an edge that comes before its mark leaves a reader waiting for what is behind urgent "
         "data",
         no_deadline,
         {short_reader(2), peer({".!."}), poller(delivery::marks_last)},
         all(ends(0, {got_all}))},

        {"a poller that does not ask for urgent data leaves a reader waiting for what is behind it",
         no_deadline,
         {short_reader(2), peer({".!."}), poller(delivery::no_pri)},
         all(ends(0, {got_all}))},
    };
}

} // namespace model
