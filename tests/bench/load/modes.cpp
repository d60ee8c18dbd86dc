/// \file
/// The five modes. Each is a function that opens its connections and says what to do when one of
/// them is ready; window holds what they have in common: time, counting, and giving up.

#include "load/modes.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace bench {
namespace {

using harness::failure;

constexpr nanotime second = 1'000'000'000, patience = 10 * second, told_every = 5 * second;

/// Gives up when nothing has come back for long, and tells how far things are.
class overseer {
public:
    overseer(const watcher& told, std::string what) : told_(told), what_(std::move(what)) {}

    /// \param count of what is waited for, so far
    void look(std::uint64_t count, nanotime time) {
        if (count != last_) {
            last_ = count;
            moved_ = time;
        }
        if (time - moved_ > patience)
            throw failure(fmt::format("{} {}, then none for 10 s", count, what_));
        if (time - spoke_ > told_every) {
            told_.progress(fmt::format("{} {}", count, what_));
            spoke_ = time;
        }
    }

private:
    const watcher& told_;
    std::string what_;
    std::uint64_t last_ = 0;
    nanotime moved_ = now(), spoke_ = now();
};

/// The warm-up and the counted time: turns the load until it is over.
class window {
public:
    window(clients& load, const options& asked, const watcher& told)
        : load_(load), told_(told), overseer_(told, "echoes"), begin_(now() + asked.warm_up),
          end_(begin_ + asked.duration) {}

    /// An echo is here, of a message whose time began at `since`. \return the time
    nanotime echoed(nanotime since, std::uint64_t bytes) {
        const nanotime time = now();
        if (since != 0) result.latency.add(time - since);
        ++result.messages;
        result.bytes += bytes;
        return time;
    }

    /// Until the window is over: waits, no longer than `next` says, and hands out who is ready.
    template <typename Next, typename Ready>
    void turn(const Next& next, const Ready& ready) {
        const std::function<void(connection&)> hand_out = ready;
        std::uint64_t before = 0; // the warm-up's
        for (bool counting = false;;) {
            const nanotime time = now();
            if (!counting && time >= begin_) {
                before = result.messages;
                result = {};
                told_.begins();
                counting = true;
            }
            if (time >= end_) break;
            overseer_.look(before + result.messages, time);
            load_.turn(std::min({next(time), counting ? end_ : begin_, time + second}), hand_out);
        }
        told_.ends();
    }

    outcome result;

private:
    clients& load_;
    const watcher& told_;
    overseer overseer_;
    nanotime begin_, end_;
};

constexpr auto whenever = [](nanotime time) { return time + second; };

outcome run_closed(clients& load, const options& asked, const watcher& told) {
    open_and_echo(load, asked.connections, asked.size, told);
    window counted(load, asked, told);
    const auto begin_message = [&](connection& one, nanotime time) {
        one.since = time;
        one.goal += asked.size;
        load.push(one);
    };
    for (auto& one : load.all) begin_message(one, now());
    counted.turn(whenever, [&](connection& one) {
        if (one.sent < one.goal) load.push(one);
        load.pull(one);
        if (one.at_rest()) begin_message(one, counted.echoed(one.since, asked.size));
    });
    return counted.result;
}

/// Messages are counted, not timed: with a window full of them each waits for those before it.
outcome run_flood(clients& load, const options& asked, const watcher& told) {
    open_and_echo(load, asked.connections, asked.size, told);
    window counted(load, asked, told);
    const auto fill_window = [&](connection& one) {
        one.goal = one.got + asked.window / asked.size * asked.size;
        load.push(one);
    };
    for (auto& one : load.all) fill_window(one);
    counted.turn(whenever, [&](connection& one) {
        const std::uint64_t before = one.got;
        load.pull(one);
        for (auto done = before / asked.size; done < one.got / asked.size; ++done)
            counted.echoed(0, asked.size);
        fill_window(one);
    });
    return counted.result;
}

/// Message k belongs to connection k % N and to the time start + k / rate, from which its latency
/// counts: a server that stalls delays all that should have been sent meanwhile, and each of them
/// says so. (A closed loop would count one slow echo and leave out the others.)
outcome run_rate(clients& load, const options& asked, const watcher& told) {
    open_and_echo(load, asked.connections, asked.size, told);
    window counted(load, asked, told);
    const double gap = static_cast<double>(second) / asked.rate;
    const nanotime start = now();
    const auto time_of = [&](std::uint64_t k) {
        return start + static_cast<nanotime>(gap * static_cast<double>(k));
    };
    const auto own_gap = static_cast<nanotime>(gap * static_cast<double>(asked.connections));
    const auto begin_message = [&](connection& one) {
        one.since = one.due;
        one.due += own_gap;
        one.goal += asked.size;
        load.push(one);
    };
    std::uint64_t k = 0;
    for (auto& one : load.all) one.due = time_of(k++);

    k = 0;
    const auto send_what_is_due = [&](nanotime time) {
        for (; time_of(k) <= time; ++k) {
            connection& one = load.all[k % asked.connections];
            // Still waiting for an echo: it is late already and will go out as soon as that is
            // here.
            if (one.at_rest() && one.due <= time) begin_message(one);
        }
        return time_of(k);
    };
    counted.turn(send_what_is_due, [&](connection& one) {
        if (one.sent < one.goal) load.push(one);
        const bool waited = !one.at_rest();
        load.pull(one);
        if (waited && one.at_rest() && counted.echoed(one.since, asked.size) >= one.due)
            begin_message(one);
    });
    return counted.result;
}

/// Connections, not messages, are what is counted: from connect to the first echo.
outcome run_churn(clients& load, const options& asked, const watcher& told) {
    window counted(load, asked, told);
    const auto begin_life = [&](connection& one) {
        one.since = now();
        one.goal = asked.size;
    };
    while (load.all.size() < asked.connections) begin_life(load.open());
    counted.turn(whenever, [&](connection& one) {
        load.push(one);
        load.pull(one);
        if (!one.at_rest()) return;
        counted.echoed(one.since, asked.size);
        load.open_again(one);
        begin_life(one);
    });
    return counted.result;
}

/// Connections come one by one over the duration, each is echoed once, and each has to be closed
/// by the server after its timeout. What is recorded is how long after.
outcome run_silent(clients& load, const options& asked, const watcher& told) {
    outcome result;
    overseer watch(told, "closed by the server");
    const auto total = static_cast<nanotime>(asked.connections);
    const nanotime start = now();
    const std::function<void(connection&)> ready = [&](connection& one) {
        if (!one.fd) return;
        try {
            const bool waited = !one.at_rest();
            load.push(one);
            load.pull(one);
            if (waited && one.at_rest()) one.since = now();
        } catch (const ended&) {
            if (one.since == 0) throw;
            result.latency.add(now() - one.since - asked.timeout);
            ++result.messages;
            one.fd.reset();
        }
    };
    told.begins();
    for (nanotime opened = 0; result.messages < asked.connections;) {
        const nanotime time = now();
        for (; opened < total && start + opened * asked.duration / total <= time; ++opened)
            load.open().goal = asked.size;
        // Opening counts as progress: the first timeout may be far away.
        watch.look(result.messages + static_cast<std::uint64_t>(opened), time);
        const bool all_open = opened == total;
        load.turn(all_open ? time + second : start + opened * asked.duration / total, ready);
    }
    told.ends();
    return result;
}

} // namespace

void open_and_echo(clients& load, std::size_t count, std::size_t size, const watcher& told) {
    constexpr std::size_t at_a_time = 256; // fewer than any backlog holds
    overseer watch(told, fmt::format("of {} connections have got their first echo", count));
    std::size_t opened = 0, served = 0;
    const std::function<void(connection&)> ready = [&](connection& one) {
        const bool waited = !one.at_rest();
        load.push(one);
        load.pull(one);
        if (waited && one.at_rest()) ++served;
    };
    while (served < count) {
        for (; opened < count && opened - served < at_a_time; ++opened) load.open().goal = size;
        watch.look(served, now());
        load.turn(now() + second, ready);
    }
}

outcome run(clients& load, const options& asked, const watcher& told) {
    switch (asked.mode) {
    case mode::flood:
        return run_flood(load, asked, told);
    case mode::rate:
        return run_rate(load, asked, told);
    case mode::churn:
        return run_churn(load, asked, told);
    case mode::silent:
        return run_silent(load, asked, told);
    default:
        return run_closed(load, asked, told);
    }
}

} // namespace bench
