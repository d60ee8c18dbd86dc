#pragma once
/// \file
/// Everything that the actors share: the atomics of stage 5's idle.hpp, its mutex and condition
/// variables, and around them as much of a scheduler, a poller and its coroutines as the protocol
/// needs.

#include <array>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace model {

/// basic_idle's atomics, in the order in which it has them.
constexpr std::size_t poller = 0, polls = 1, asleep = 2, stopping = 3, monitor_asleep = 4,
                      waiting = 5, wakes = 6, seen_polls = 9, atomics = 10;
constexpr std::size_t most_workers = 3;
constexpr std::size_t conditions = 2;

/// Sets of coroutines, and of threads, are bits.
using set = std::uint8_t;

struct world {
    std::array<std::uint64_t, atomics> atomic{};
    // The mutex and the condition variables.
    std::uint8_t locked = 0;
    std::array<set, conditions> waiting{}; ///< threads
    set notified = 0;                      ///< threads, of any condition
    // The scheduler.
    std::array<std::uint8_t, most_workers> next{}; ///< a coroutine's number; 0: none
    std::array<std::uint8_t, most_workers> turns{};
    std::array<std::uint8_t, most_workers> seen_tick{}; ///< sysmon's
    std::array<set, most_workers> queue{};
    set global = 0;
    std::array<std::uint8_t, most_workers> phase{}; ///< of each worker
    set ran = 0;                                    ///< coroutines that have ended
    // The poller.
    set events = 0; ///< coroutines that it will make ready
    std::uint8_t interrupted = 0;
    // Time.
    std::uint8_t ticks = 0;   ///< how often sysmon's timer may still fire before something happens
    std::uint8_t stopped = 0; ///< stop() has been called
    std::array<std::uint8_t, 7> unused{}; ///< to a multiple of eight bytes
};
static_assert(std::has_unique_object_representations_v<world>); // it is compared by its bytes

/// True if stop() may be called in this scenario.
inline bool may_stop = false;

/// True of an atomic that is used by the owner of the mutex alone, or by sysmon alone, or that does
/// not change. What is done to it happens together with the step before: no other actor can tell.
inline bool is_private(std::size_t atomic) {
    return atomic >= waiting || (atomic == stopping && !may_stop);
}

/// What is kept of an atomic's value: all, but of how often the poller was asked the last bit,
/// or there would be no end of states.
constexpr std::uint64_t kept(std::size_t atomic, std::uint64_t value) {
    return atomic == polls || atomic == seen_polls ? value & 1 : value;
}

/// An atomic's name, and what its value means.
std::string describe(std::size_t atomic);
std::string describe(std::size_t atomic, std::uint64_t value);

/// What else of the world is worth seeing.
struct shown {
    const char* name;
    std::uint64_t value;
};
std::vector<shown> show(const world& shared);

} // namespace model
