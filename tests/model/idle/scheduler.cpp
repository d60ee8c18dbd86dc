/// \file
/// Top-down: workers, sysmon, those outside, and what must hold at the end.

#include "scheduler.hpp"

#include "idle.hpp"
#include "system.hpp"

#include <bit>
#include <memory>
#include <utility>

namespace model {
namespace {

using idle = stage5::basic_idle<system>;

constexpr int worth_waking = 2; ///< 8 in scheduler.cpp

std::unique_ptr<idle> the_idle;
std::size_t workers = 0;
std::vector<turn> turns_of; ///< by the coroutine's number

set bit(std::uint8_t coroutine) {
    return coroutine == 0 ? set{0} : static_cast<set>(1U << coroutine);
}

/// Takes the first coroutine out of a set. \return its number, or 0
std::uint8_t take(set& from) {
    const set first = static_cast<set>(from & -from);
    from &= static_cast<set>(~first);
    return static_cast<std::uint8_t>(first == 0 ? 0 : std::countr_zero(first));
}

void interrupt() {
    at_once([](world& w) { return w.interrupted = 1; });
}

/// netpoll::wait, which puts what is ready into the worker's queue.
void poll(std::size_t me, std::int64_t delay) {
    static const auto any = [](const world& w, std::size_t) {
        return w.events != 0 || w.interrupted != 0;
    };
    const bool waits = delay != 0;
    if (waits) at_once([](world& w) { return happens(w), 0; });
    step({waits ? "epoll_wait" : "looks at the poller"}, waits ? guard{any, 0, true} : guard{},
         [=](world& w) {
             if (waits) w.interrupted = 0;
             w.queue[me] |= w.events;
             return std::exchange(w.events, set{0});
         });
}

bool has_work() {
    return step({"has_work"}, {}, [](const world& w) {
               bool has = w.global != 0;
               for (const set queue : w.queue) has = has || std::popcount(queue) >= worth_waking;
               return has;
           }) != 0;
}

/// scheduler::put, of a coroutine that a turn makes ready.
void put(std::size_t me, std::uint8_t coroutine) {
    const auto many = step({"put"}, {}, [=](world& w) {
        happens(w);
        w.queue[me] |= bit(std::exchange(w.next[me], coroutine));
        return std::popcount(w.queue[me]) >= worth_waking;
    });
    if (many != 0 && the_idle->has_sleeper()) the_idle->wake(1, interrupt);
}

/// scheduler::find_without_stealing, without the poller. \return a coroutine, or 0
std::uint8_t look(std::size_t me) {
    return static_cast<std::uint8_t>(step({"looks"}, {}, [=](world& w) {
        if (w.next[me] != 0) return std::exchange(w.next[me], std::uint8_t{0});
        const auto own = take(w.queue[me]);
        return own != 0 ? own : take(w.global);
    }));
}

/// scheduler::steal: a coroutine to run, and half of the rest.
std::uint8_t steal(std::size_t me) {
    return static_cast<std::uint8_t>(step({"steals"}, {}, [=](world& w) {
        for (std::size_t i = 1; i < workers; ++i) {
            auto& victim = w.queue[(me + i) % workers];
            const auto first = take(victim);
            if (first == 0) continue;
            if (std::popcount(victim) > 1) w.queue[me] |= bit(take(victim));
            return first;
        }
        return std::uint8_t{0};
    }));
}

/// scheduler::find_runnable, without its sleep. \return a coroutine, or 0
std::uint8_t find(std::size_t me) {
    if (const auto found = look(me); found != 0) return found;
    if (the_idle->try_poll([me](std::int64_t delay) { poll(me, delay); }))
        if (const auto found = look(me); found != 0) return found;
    return steal(me);
}

bool have_run(const world& w, std::size_t until) {
    return (w.ran & until) == until;
}

/// A coroutine's turn.
void run(std::size_t me, std::uint8_t coroutine) {
    const turn what = turns_of[coroutine];
    step({"runs"}, {}, [=](world& w) {
        happens(w);
        w.turns[me] = static_cast<std::uint8_t>((w.turns[me] + 1) % 2);
        return coroutine;
    });
    if (what.readies != 0) put(me, what.readies);
    step({"ends"}, {&have_run, what.until}, [=](world& w) {
        happens(w);
        return w.ran |= bit(coroutine);
    });
}

/// scheduler::retake
std::uint32_t retake() {
    const auto taken = step({"retakes"}, {}, [](world& w) {
        const set before = w.global;
        for (std::size_t i = 0; i < workers; ++i)
            if (std::exchange(w.seen_tick[i], w.turns[i]) == w.turns[i])
                w.global |= bit(std::exchange(w.next[i], std::uint8_t{0}));
        return std::popcount(w.global) - std::popcount(before);
    });
    if (taken != 0) the_idle->wake(static_cast<std::uint32_t>(taken), interrupt);
    return static_cast<std::uint32_t>(step({"counts"}, {}, [](world& w) {
        int count = std::popcount(w.global);
        for (const set queue : w.queue) count += std::popcount(queue);
        return count;
    }));
}

} // namespace

void make_scheduler(std::size_t count, std::vector<turn> coroutines, bool stops) {
    made = condition::made = 0;
    may_stop = stops;
    workers = count;
    turns_of = std::move(coroutines);
    the_idle = std::make_unique<idle>(static_cast<std::uint32_t>(count));
}

/// What a worker does next is in the world, and not in what its steps have returned: so two ways to
/// the same place are one state. Other numbers are those of the coroutine that it runs.
constexpr std::uint8_t searches = 0, rests = 255;

actor worker(std::size_t number) {
    return {"worker " + std::to_string(number), [number] {
                the_thread = number;
                coarse = false;
                const auto phase = at_once([=](const world& w) { return w.phase[number]; });
                auto next = searches;
                if (phase == searches) {
                    if (the_idle->stopping()) return false;
                    next = find(number);
                    if (next == 0) next = rests;
                } else if (phase == rests) {
                    the_idle->sleep(has_work, [=](std::int64_t delay) { poll(number, delay); });
                } else {
                    run(number, static_cast<std::uint8_t>(phase));
                }
                at_once([=](world& w) { return w.phase[number] = next; });
                return true;
            }};
}

actor sysmon(bool in_steps) {
    return {"sysmon", [in_steps] {
                the_thread = workers;
                coarse = !in_steps;
                const bool goes_on = the_idle->monitor(retake, interrupt);
                coarse = false;
                return goes_on;
            }};
}

actor kernel(set coroutines) {
    return {"kernel", [coroutines] {
                coarse = false;
                step({"reports"}, {}, [=](world& w) {
                    happens(w);
                    return w.events |= coroutines;
                });
                return false;
            }};
}

actor outside(std::uint8_t coroutine) {
    return {"outside", [coroutine] {
                coarse = false;
                the_thread = workers + 1;
                step({"puts"}, {}, [=](world& w) {
                    happens(w);
                    return w.global |= bit(coroutine);
                });
                the_idle->wake(1, interrupt);
                return false;
            }};
}

actor stopper() {
    return {"stopper", [] {
                coarse = false;
                the_thread = workers + 2;
                the_idle->stop(
                    [] { at_once([](world& w) { return w.interrupted = w.stopped = 1; }); });
                return false;
            }};
}

void check_quiet(const world& end) {
    set left = static_cast<set>(end.global | end.events);
    for (std::size_t i = 0; i < workers; ++i)
        left |= static_cast<set>(end.queue[i] | bit(end.next[i]));
    if (left != 0) throw violation("a coroutine waits while all workers sleep");
    constexpr std::uint64_t slept_in = 2;
    if (end.atomic[poller] != slept_in)
        throw violation("all workers sleep, and none in the poller");
}

void check_stopped(const world& end) {
    if (end.stopped == 0) throw violation("stop() has not been called");
    if (end.atomic[asleep] != 0) throw violation("a worker sleeps after stop()");
}

} // namespace model
