/// \file
/// The protocol's atomics for people.

#include "world.hpp"

namespace model {

std::string describe(std::size_t atomic) {
    constexpr std::array names{"poller",  "polls", "asleep",      "stopping",     "sysmon asleep",
                               "waiting", "wakes", "quiet ticks", "seen waiting", "seen polls"};
    return names[atomic];
}

std::string describe(std::size_t atomic, std::uint64_t value) {
    constexpr std::array states{"free", "asked", "slept in"};
    return atomic == poller ? states[value] : std::to_string(value);
}

std::vector<shown> show(const world& shared) {
    return {{"mutex", shared.locked},
            {"events", shared.events},
            {"global", shared.global},
            {"interrupted", shared.interrupted}};
}

} // namespace model
