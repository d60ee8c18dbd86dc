/// \file
/// The protocol's atomics for people.

#include "world.hpp"

namespace model {

std::string describe(std::size_t atomic) {
    constexpr std::array names{"poller", "asleep",      "stopping",     "monitor asleep", "waiting",
                               "wakes",  "quiet ticks", "seen waiting", "seen poller"};
    return names[atomic];
}

std::string describe(std::size_t atomic, std::uint64_t value) {
    if (atomic != 0 && atomic != atomics - 1) return std::to_string(value);
    constexpr std::array states{"free", "asked", "slept in"};
    return std::string(states[value & 3]) + " after " + std::to_string(value >> 2);
}

} // namespace model
