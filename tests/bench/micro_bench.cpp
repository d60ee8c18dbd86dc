/// \file
/// What single operations of stage 4's poller cost, and of stage 5's fd_mutex. All of it takes
/// about ten seconds; longer, and steadier, with `--benchmark_min_time=1`, and one of them with
/// `--benchmark_filter=NAME`.

#include "stage4_epoll_et/runtime/netpoll.hpp"
#include "stage5_coroutines/poll/fd_mutex.hpp"

#include <benchmark/benchmark.h>
#include <sys/eventfd.h>

#include <cstdlib>
#include <memory>
#include <vector>

namespace {

using namespace stage4;

constexpr nanotime second = 1'000'000'000, hour = 3600 * second;

std::unique_ptr<netpoll> open_poll() {
    auto poll = netpoll::open();
    if (!poll) std::abort();
    return std::move(*poll);
}

unique_fd some_descriptor() {
    return unique_fd{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
}

waiter nobody() {
    return waiter{[](waiter&) {}};
}

/// One descriptor of ours, and a number of timers of others, all around an hour from now.
struct scene {
    explicit scene(std::int64_t others) {
        const nanotime start = now();
        alarms.reserve(static_cast<std::size_t>(others));
        for (std::int64_t i = 0; i < others; ++i) {
            alarms.emplace_back(who);
            // Spread like deadlines that were set one after the other: 7919 is prime.
            poll->set_alarm(alarms.back(), start + hour + i * 7919 % others * 1000);
        }
        const auto added = poll->add(descriptor.get());
        if (!added) std::abort();
        pd = *added;
    }
    ~scene() {
        poll->unblock(*pd);
        poll->remove(*pd);
    }
    scene(const scene&) = delete;
    scene& operator=(const scene&) = delete;

    std::unique_ptr<netpoll> poll = open_poll();
    waiter who = nobody();
    std::vector<stage4::alarm> alarms;
    unique_fd descriptor = some_descriptor();
    poll_desc* pd = nullptr;
};

/// A readiness event that arrives before the wait: prepare, edge, block.
void ready_before_wait(benchmark::State& state) {
    poll_desc pd;
    pd.open(0);
    waiter who = nobody();
    for ([[maybe_unused]] const auto each : state) {
        benchmark::DoNotOptimize(pd.prepare(direction::read));
        benchmark::DoNotOptimize(pd.report_ready(direction::read, pd.sequence()));
        benchmark::DoNotOptimize(pd.block(direction::read, who));
    }
}

/// A readiness event for a waiter that has parked: prepare, block, edge and the wake.
void ready_after_wait(benchmark::State& state) {
    poll_desc pd;
    pd.open(0);
    waiter who = nobody();
    for ([[maybe_unused]] const auto each : state) {
        benchmark::DoNotOptimize(pd.prepare(direction::read));
        benchmark::DoNotOptimize(pd.block(direction::read, who));
        if (auto* const woken = pd.report_ready(direction::read, pd.sequence()))
            woken->wake(*woken);
    }
}

/// Reads the clock, which every caller that sets a deadline has done before.
void reading_the_clock(benchmark::State& state) {
    for ([[maybe_unused]] const auto each : state) benchmark::DoNotOptimize(now());
}

/// A busy connection's deadline: each is later than the one before.
void deadline_later(benchmark::State& state) {
    scene among(state.range(0));
    nanotime when = now() + 2 * hour;
    for ([[maybe_unused]] const auto each : state)
        among.poll->set_deadline(*among.pd, direction::read, ++when);
}

/// Each is a little earlier than the one before: the lock, the clock, and a look at the heap.
void deadline_earlier(benchmark::State& state) {
    scene among(state.range(0));
    nanotime when = now() + 2 * hour;
    for ([[maybe_unused]] const auto each : state)
        among.poll->set_deadline(*among.pd, direction::read, --when);
}

/// From behind all others to in front of them: as far as a timer ever moves. Taking it away is
/// in between, or the way back would be free.
void deadline_to_the_front(benchmark::State& state) {
    scene among(state.range(0));
    const nanotime start = now();
    stage4::alarm ours(among.who);
    for ([[maybe_unused]] const auto each : state) {
        among.poll->set_alarm(ours, start + 2 * hour);
        among.poll->set_alarm(ours, start + hour / 2);
    }
    among.poll->set_alarm(ours, 0);
}

/// Set and taken away again: the timer is left where it is.
void deadline_set_and_cleared(benchmark::State& state) {
    scene among(state.range(0));
    const nanotime when = now() + 2 * hour;
    for ([[maybe_unused]] const auto each : state) {
        among.poll->set_deadline(*among.pd, direction::read, when);
        among.poll->set_deadline(*among.pd, direction::read, 0);
    }
}

/// A descriptor's whole life in the poller, with its two system calls.
void add_and_remove(benchmark::State& state) {
    const auto poll = open_poll();
    const auto descriptor = some_descriptor();
    for ([[maybe_unused]] const auto each : state) {
        auto* const pd = *poll->add(descriptor.get());
        poll->unblock(*pd);
        poll->remove(*pd);
    }
}

/// An interrupt when nobody has taken the last one: no system call.
void interrupt_again(benchmark::State& state) {
    const auto poll = open_poll();
    for ([[maybe_unused]] const auto each : state) poll->interrupt();
}

/// An interrupt and the wait that it ends: three system calls.
void interrupt_and_wait(benchmark::State& state) {
    const auto poll = open_poll();
    for ([[maybe_unused]] const auto each : state) {
        poll->interrupt();
        poll->wait(second);
    }
}

/// What each call of an fd pays so that calls in the same direction queue up.
void direction_locked(benchmark::State& state) {
    stage5::fd_mutex mutex;
    for ([[maybe_unused]] const auto each : state) {
        benchmark::DoNotOptimize(mutex.lock(stage5::direction::read));
        benchmark::DoNotOptimize(mutex.unlock(stage5::direction::read));
    }
}

/// What it would pay if calls were only counted.
void reference_counted(benchmark::State& state) {
    stage5::fd_mutex mutex;
    for ([[maybe_unused]] const auto each : state) {
        benchmark::DoNotOptimize(mutex.add_reference());
        benchmark::DoNotOptimize(mutex.drop_reference());
    }
}

void with_10_to_a_million_timers(benchmark::internal::Benchmark* one) {
    one->Arg(10)->Arg(10'000)->Arg(1'000'000)->ArgName("timers")->MinTime(0.1);
}

} // namespace

BENCHMARK(ready_before_wait)->MinTime(0.2);
BENCHMARK(ready_after_wait)->MinTime(0.2);
BENCHMARK(reading_the_clock)->MinTime(0.2);
BENCHMARK(deadline_later)->Apply(with_10_to_a_million_timers);
BENCHMARK(deadline_earlier)->Apply(with_10_to_a_million_timers);
BENCHMARK(deadline_to_the_front)->Apply(with_10_to_a_million_timers);
BENCHMARK(deadline_set_and_cleared)->Apply(with_10_to_a_million_timers);
BENCHMARK(add_and_remove)->MinTime(0.2);
BENCHMARK(interrupt_again)->MinTime(0.2);
BENCHMARK(interrupt_and_wait)->MinTime(0.2);
BENCHMARK(direction_locked)->MinTime(0.2);
BENCHMARK(reference_counted)->MinTime(0.2);
BENCHMARK_MAIN();
