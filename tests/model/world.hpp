#pragma once
/// \file
/// Everything that the actors share: the poll_desc's atomics, the lock of the netpoll and what it
/// protects, a kernel with two sockets, the time, and what is remembered to judge by.

#include <array>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace model {

/// A poll_desc's atomics, in the order in which it has them.
constexpr std::size_t words = 0, info = 2, deadlines = 3, atomics = 5;

/// A socket as the kernel has it, and the fd object above it: one life of the poll_desc.
struct socket_state {
    std::array<std::uint8_t, 2> available{}; ///< what a try on that direction can take
    std::uint8_t urgent = 0;                 ///< an urgent byte has come, and was not read past
    std::uint8_t behind = 0;                 ///< bytes behind it: a read stops in front of it
    std::uint8_t ended = 0;                  ///< the peer has sent its FIN
    std::uint8_t registered = 0;             ///< with the poller
    std::uint8_t pending = 0;                ///< an event that the poller has not collected yet
    std::uint8_t delivered = 0;              ///< bits: sides that an event was delivered to
    std::uint8_t open = 0;                   ///< may be used
    std::uint8_t closing = 0;                ///< fd::close() has begun
    std::uint8_t users = 0;                  ///< calls in flight: it is not removed meanwhile
};

/// What a client has ended with.
enum outcome : std::uint8_t { none, got_all, got_end, closed, timed_out, second_waiter, other };

/// Somebody who reads or writes.
struct client_state {
    std::uint8_t may_park = 0; ///< inside of block(), or parked
    std::uint8_t woken = 0;
    std::uint8_t received = 0;
    outcome ended_with = none;
    std::uint8_t drained = 0; ///< the last read was short: fd::drained_
};

struct world {
    std::array<std::uint64_t, atomics> atomic{};
    std::array<socket_state, 2> sockets; ///< the descriptor, and the one that gets its poll_desc
    std::array<client_state, 3> clients;
    std::uint8_t locked = 0;
    std::uint8_t timer = 0; ///< when it fires; 0: not set. Protected by the lock
    std::uint8_t clock = 1;
    // The reader's deadline as it was asked for, which is known when set_deadline() has returned:
    std::uint8_t deadline = 0;            ///< 0: none
    std::uint8_t times_set = 0;           ///< how often somebody has begun or ended to ask
    std::uint8_t asking = 0;              ///< how many are about it
    std::uint8_t overlapped = 0;          ///< two were at once: which of them was last is not known
    std::array<std::uint8_t, 4> unused{}; ///< in place of padding
};
static_assert(std::has_unique_object_representations_v<world>); // it is compared by its bytes

/// True of none: every operation is a step of its own. \see idle/world.hpp
constexpr bool is_private(std::size_t) {
    return false;
}

/// What is kept of an atomic's value. \see idle/world.hpp
constexpr std::uint64_t kept(std::size_t, std::uint64_t value) {
    return value;
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
