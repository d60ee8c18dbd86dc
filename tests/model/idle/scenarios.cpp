/// \file
/// What happens to a scheduler with few workers.

#include "scenarios.hpp"

#include "scheduler.hpp"

#include <utility>

namespace model {
namespace {

constexpr set first = 1U << 1, second = 1U << 2, third = 1U << 3;

scenario make(std::string name, std::size_t workers, std::vector<turn> coroutines,
              std::vector<actor> others, void (*at_end)(const world&) = &check_quiet) {
    std::vector<actor> all;
    for (std::size_t i = 0; i < workers; ++i) all.push_back(worker(i));
    if (workers > 1) all.push_back(sysmon(false));
    for (auto& each : others) all.push_back(std::move(each));
    coroutines.insert(coroutines.begin(), turn{}); // there is no number 0
    const bool stops = at_end == &check_stopped;
    return {std::move(name), [=] { make_scheduler(workers, coroutines, stops); }, std::move(all),
            at_end, true};
}

} // namespace

std::vector<scenario> scenarios() {
    const turn ends{};
    return {
        make("one worker, an event, and a thread outside", 1, {ends, ends},
             {kernel(first), outside(2)}),
        make("one worker, and a stop beside an event", 1, {ends}, {kernel(first), stopper()},
             &check_stopped),
    };
}

std::vector<scenario> long_scenarios() {
    const turn ends{};
    return {
        make("two workers, and an event", 2, {ends}, {kernel(first)}),
        make("two workers, and a thread outside", 2, {ends}, {outside(1)}),
        make("two workers, and a stop", 2, {}, {stopper()}, &check_stopped),
        make("two workers: a coroutine computes until its child has run", 2,
             {turn{2, second}, ends}, {kernel(first)}),
        make("two workers: made ready from outside, it computes until its child has run", 2,
             {turn{2, second}, ends}, {outside(1)}),
        make("two workers: one computes until another is served", 2, {turn{0, second}, ends},
             {kernel(first), kernel(second)}),
        make("three workers: two compute until a third coroutine is served", 3,
             {turn{0, third}, turn{0, third}, ends}, {kernel(first | second), kernel(third)}),
    };
}

std::vector<scenario> misuses() {
    return {};
}

} // namespace model
