/// \file
/// Those who read and write, as fd.cpp does it. Top-down from the system call to the whole.

#include "retold.hpp"

#include <algorithm>
#include <optional>

namespace model {
namespace {

enum class tried { nothing, something, end };

/// TCP: the urgent byte itself is not for those who read. A read that begins at it passes it.
void pass_urgent_byte(socket_state& from) {
    from.available[number(direction::read)] = from.behind;
    from.urgent = from.behind = 0;
}

/// The system call. Takes the pending bytes, up to the buffer's size, an urgent byte, or the end.
tried try_call(const role& me) {
    return static_cast<tried>(step({"try"}, {}, [&](world& w) {
        auto& from = w.sockets[socket_of(me.client)];
        auto& self = w.clients[me.client];
        auto& available = from.available[number(me.where)];
        const bool reads = me.where == direction::read;
        if (reads && available == 0 && from.urgent != 0) pass_urgent_byte(from);
        if (available == 0) return reads && from.ended != 0 ? tried::end : tried::nothing;
        const auto taken = std::min(available, me.room);
        available = static_cast<std::uint8_t>(available - taken);
        self.received = static_cast<std::uint8_t>(self.received + taken);
        self.drained = taken < me.room ? 1 : 0;
        if (self.received >= me.wanted) self.ended_with = got_all;
        return tried::something;
    }));
}

/// \return nothing when it was woken: the call starts again
std::optional<poll_status> block(const role& me) {
    at_once([&](world& w) { return w.clients[me.client].may_park = 1; });
    const auto status = pd().block(real(me.where), waiters[me.client]);
    if (status == poll_status::parked) {
        const guard woken{[](const world& w, std::size_t n) { return w.clients[n].woken != 0; },
                          me.client, true};
        step({"awake"}, woken, [](world&) { return 0; });
    }
    at_once([&](world& w) {
        auto& self = w.clients[me.client];
        if (status != poll_status::parked && self.woken != 0)
            throw violation("a waiter that has not parked is woken");
        return self.woken = self.may_park = 0;
    });
    if (status == poll_status::parked) return std::nullopt;
    return status;
}

/// One call, as in fd.cpp. \return why it has failed; `parked`: begin again
poll_status call(const role& me) {
    bool skip_try = me.how == manner::waits_first;
    if (me.how == manner::may_skip)
        skip_try = at_once([&](world& w) { return w.clients[me.client].drained; }) != 0 &&
                   !pd().stops_short();
    if (!skip_try) {
        const auto status = pd().prepare(real(me.where));
        if (status != poll_status::ready) return status;
    } else if (me.how == manner::may_skip) {
        const auto status = pd().check(real(me.where));
        if (status != poll_status::ready) return status;
    }
    if (me.how == manner::forgets_edge) skip_try = true;
    while (true) {
        if (!skip_try) {
            const auto found = try_call(me);
            if (found == tried::end)
                at_once([&](world& w) { return w.clients[me.client].ended_with = got_end; });
            if (found != tried::nothing) return poll_status::parked;
        }
        const auto waited = block(me);
        if (!waited) return poll_status::parked;
        if (*waited != poll_status::ready) return *waited;
        skip_try = false;
    }
}

/// The deadline that a call found was in force all the time, and has not come.
bool too_early(const world& w, const role& me, std::uint64_t entered) {
    if (me.where == direction::write) return true; // it has none
    if (entered != 1U + w.times_set || w.asking != 0 || w.overlapped != 0) return false;
    return w.deadline == 0 || w.clock < w.deadline;
}

outcome outcome_of(poll_status status) {
    switch (status) {
    case poll_status::closing:
        return closed;
    case poll_status::timed_out:
        return timed_out;
    case poll_status::already_waiting:
        return second_waiter;
    default:
        return other;
    }
}

} // namespace

actor client(std::string name, role me) {
    return {std::move(name), [=] {
                const auto entered = enter(socket_of(me.client));
                const auto status = entered == 0 ? poll_status::closing : call(me);
                const auto ended_with = at_once([=](world& w) {
                    auto& self = w.clients[me.client];
                    if (entered != 0) --w.sockets[socket_of(me.client)].users;
                    if (status == poll_status::timed_out && too_early(w, me, entered))
                        throw violation("a deadline fires early");
                    if (status != poll_status::parked) self.ended_with = outcome_of(status);
                    return self.ended_with;
                });
                return ended_with == none;
            }};
}

} // namespace model
