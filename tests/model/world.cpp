/// \file
/// The protocol's words for people.

#include "world.hpp"

namespace model {

std::string describe(std::size_t atomic) {
    constexpr std::array names{"rg", "wg", "info", "rd", "wd"};
    return names[atomic];
}

std::string describe(std::size_t atomic, std::uint64_t value) {
    if (atomic >= deadlines) return std::to_string(static_cast<std::int64_t>(value));
    if (atomic == info) {
        std::string said = "life " + std::to_string(value >> 32);
        constexpr std::array bits{" closing", " error", " cuts reads", " read expired",
                                  " write expired"};
        for (std::size_t i = 0; i < bits.size(); ++i)
            if ((value >> i & 1) != 0) said += bits[i];
        return said;
    }
    constexpr std::array states{"nil", "ready", "wait"};
    const auto state = value & ((std::uint64_t{1} << 48) - 1);
    return std::string(state < states.size() ? states[state] : "waiter") + " of life " +
           std::to_string(value >> 48);
}

std::vector<shown> show(const world& shared) {
    const auto& [first, second] = shared.sockets;
    const auto& [reader, second_client, next] = shared.clients;
    return {{"bytes", first.available[0]},
            {"held back", first.behind},
            {"ended", first.ended},
            {"event", first.pending},
            {"next bytes", second.available[0]},
            {"next event", second.pending},
            {"in use by the next", second.open},
            {"close has begun", first.closing},
            {"lock", shared.locked},
            {"clock", shared.clock},
            {"timer", shared.timer},
            {"reader parks", reader.may_park},
            {"next reader parks", next.may_park}};
}

} // namespace model
