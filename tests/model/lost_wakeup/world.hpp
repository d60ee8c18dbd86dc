#pragma once
/// \file
/// What the actors share: the two atomics of a protocol in docs/examples/lost_wakeup.hpp, a socket
/// with bytes, and one coroutine that reads them.

#include <array>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace model {

constexpr std::size_t atomics = 2;

struct world {
    std::array<std::uint64_t, atomics> atomic{};
    std::uint8_t bytes = 0;    ///< in the socket
    std::uint8_t received = 0; ///< by the coroutine
    std::uint8_t closed = 0;   ///< close() has begun
    std::uint8_t runs = 0;     ///< a thread is in the coroutine's code
    std::uint8_t place = 0;    ///< how often the coroutine has been suspended
    std::uint8_t woken = 0;    ///< how often the coroutine stands in the run queue
    std::uint8_t ended = 0;    ///< the coroutine has got all it wanted
    std::uint8_t unused = 0;   ///< in place of padding
};
static_assert(std::has_unique_object_representations_v<world>); // it is compared by its bytes

/// True of none: every operation is a step of its own.
constexpr bool is_private(std::size_t) {
    return false;
}

/// What is kept of an atomic's value: all.
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
