#pragma once
/// \file
/// The poll_desc, and what the actors share of the text around it, which is retold here in steps.

#include "actors.hpp"
#include "atomic.hpp"

#include "poll_desc.hpp" // or one that has been broken on purpose

namespace model {

using descriptor = stage4::basic_poll_desc<atomic>;
using stage4::poll_status;
using stage4::waiter;

/// The only one: its values are in the world.
inline descriptor& pd() {
    static descriptor only;
    return only;
}
inline std::array<waiter, 3> waiters;

constexpr std::size_t number(direction s) {
    return static_cast<std::size_t>(s);
}
constexpr stage4::direction real(direction s) {
    return static_cast<stage4::direction>(s);
}
constexpr std::size_t socket_of(std::size_t client) {
    return client / 2;
}
inline std::size_t number(const waiter& w) {
    return static_cast<std::size_t>(&w - waiters.data());
}

inline void lock() {
    const guard free{[](const world& w, std::size_t) { return w.locked == 0; }};
    step({"lock"}, free, [](world& w) { return w.locked = 1; });
}

inline void unlock() {
    step({"unlock"}, {}, [](world& w) { return w.locked = 0; });
}

inline int now() {
    return static_cast<int>(step({"look at the clock"}, {}, [](world& w) { return w.clock; }));
}

inline void wake(waiter& who) {
    step({"wake"}, {}, [&](world& w) {
        auto& c = w.clients[number(who)];
        if (c.may_park == 0 || c.woken != 0) throw violation("a waiter that has not parked is woken");
        c.woken = 1;
        return number(who);
    });
}

/// The fdmutex that stage 5 will have, as far as it matters: nobody begins after close, and
/// nothing is removed before the last one has left. \return a number greater than 0, or 0
inline std::uint64_t enter(std::size_t socket) {
    const guard open{[](const world& w, std::size_t n) { return w.sockets[n].open != 0; }, socket};
    return step({"enter"}, open, [=](world& w) -> std::uint64_t {
        if (w.sockets[socket].closing != 0) return 0;
        ++w.sockets[socket].users;
        return 1U + w.times_set;
    });
}

} // namespace model
