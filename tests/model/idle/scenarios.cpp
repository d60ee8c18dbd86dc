/// \file
/// What happens to a scheduler with few workers.

#include "scenarios.hpp"

#include "scheduler.hpp"

#include <utility>

namespace model {
namespace {

constexpr set first = 1U << 1, second = 1U << 2, third = 1U << 3;
constexpr auto unlimited = scenario::unlimited;

/// \param interruptions if they are limited, sysmon is explored step by step as well
scenario make(std::string name, std::size_t workers, std::vector<turn> coroutines,
              std::vector<actor> others, std::uint8_t interruptions,
              void (*at_end)(const world&) = &check_quiet) {
    std::vector<actor> all;
    for (std::size_t i = 0; i < workers; ++i) all.push_back(worker(i));
    if (workers > 1) all.push_back(sysmon(interruptions != unlimited));
    for (auto& each : others) all.push_back(std::move(each));
    coroutines.insert(coroutines.begin(), turn{}); // there is no number 0
    const bool stops = at_end == &check_stopped;
    const auto prepare = [=] { make_scheduler(workers, coroutines, stops); };
    return {std::move(name), prepare, std::move(all), at_end, true, interruptions};
}

constexpr turn ends{};

std::vector<scenario> with_two_workers(std::uint8_t interruptions) {
    const turn has_a_child{2, second};
    return {
        make("two workers, and a stop", 2, {}, {stopper()}, interruptions, &check_stopped),
        make("two workers: made ready from outside, it computes until its child has run", 2,
             {has_a_child, ends}, {outside(1)}, interruptions),
        make("two workers: a coroutine computes until its child has run", 2, {has_a_child, ends},
             {kernel(first)}, interruptions),
        make("two workers, and an event", 2, {ends}, {kernel(first)}, interruptions),
        make("two workers, and a thread outside", 2, {ends}, {outside(1)}, interruptions),
    };
}

} // namespace

std::vector<scenario> scenarios() {
    return {
        make("one worker, an event, and a thread outside", 1, {ends, ends},
             {kernel(first), outside(2)}, unlimited),
        make("one worker, and a stop beside an event", 1, {ends}, {kernel(first), stopper()},
             unlimited, &check_stopped),
    };
}

std::vector<scenario> bounded_scenarios() {
    const turn computes{0, third};
    std::vector<scenario> all{
        make("two workers: one computes until another coroutine is served", 2,
             {turn{0, second}, ends}, {kernel(first), kernel(second)}, 1),
        make("three workers: two compute, and later the third one's event comes", 3,
             {computes, computes, ends}, {kernel(first | second), kernel(third)}, 0),
    };
    for (auto& each : with_two_workers(2)) all.push_back(std::move(each));
    all.push_back(make("three workers: two compute until a third coroutine is served", 3,
                       {computes, computes, ends}, {kernel(first | second | third)}, 1));
    return all;
}

std::vector<scenario> long_scenarios() {
    return with_two_workers(unlimited);
}

std::vector<scenario> misuses() {
    return {};
}

} // namespace model
