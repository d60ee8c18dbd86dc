/// \file
/// What must hold when no actor can continue.

#include "retold.hpp"

namespace model {
namespace {

void check_side(const world& end, std::size_t life, direction s) {
    const auto word = end.atomic[words + number(s)];
    const auto deadline = static_cast<stage4::nanotime>(end.atomic[deadlines + number(s)]);
    const auto status = pd().check(real(s));
    if (status == poll_status::closing) return;
    if (life != 0 && pd().stops_short() && end.sockets[life].ended == 0)
        throw violation("a stale event ends the next stream");
    if ((status == poll_status::timed_out) != (deadline < 0))
        throw violation("what has expired is not what was set");
    if (deadline > 0 && (end.timer == 0 || end.timer > deadline))
        throw violation("no timer will look at a deadline");
    if ((word & 0xffff'ffff'ffffU) == 1 && (end.sockets[life].delivered & 1U << number(s)) == 0)
        throw violation("a stale event leaves `ready` behind");
}

void check_client(const world& end, std::size_t client) {
    const auto& self = end.clients[client];
    if (self.may_park == 0) return;
    const auto& from = end.sockets[socket_of(client)];
    const auto address = reinterpret_cast<std::uintptr_t>(&waiters[client]);
    std::size_t s = 0;
    while (s < 2 && (end.atomic[words + s] & 0xffff'ffff'ffffU) != address) ++s;
    if (from.closing != 0) throw violation("a waiter sleeps forever, though it is closed");
    if (s == 2) throw violation("a waiter sleeps forever, and no word has it");
    if (from.available[s] != 0 || (s == 0 && (from.behind != 0 || from.ended != 0)))
        throw violation("a waiter sleeps forever, though an edge has come");
    if (pd().check(static_cast<stage4::direction>(s)) == poll_status::timed_out)
        throw violation("a waiter sleeps forever, though the deadline has come");
}

} // namespace

void check_quiet(const world& end) {
    if (end.locked != 0) throw violation("the lock is held for ever");
    const std::size_t life = end.sockets[1].open;
    for (const auto s : {direction::read, direction::write}) check_side(end, life, s);
    for (std::size_t i = 0; i < waiters.size(); ++i) check_client(end, i);
}

} // namespace model
