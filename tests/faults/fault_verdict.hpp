#pragma once
/// \file
/// What fault_injector knows of the program that it is preloaded into, and what it decides.

#include "faults/fault_script.hpp"

#include <dlfcn.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <atomic>
#include <cerrno>

namespace faults {

/// What is known of a descriptor.
struct known {
    std::atomic<bool> connection = false, victim = false;
    std::atomic<bool> dead = false; ///< an error has been reported
    std::atomic<int> poller = -1;   ///< the epoll set that it is in, with EPOLLET
    std::atomic<std::uint32_t> events = 0;
    std::atomic<std::uint64_t> data = 0;
};

/// All that is known.
struct everything {
    faults::script script;
    std::array<std::atomic<std::uint64_t>, 16> seen{}; ///< calls that a rule was asked about
    std::array<std::atomic<std::uint64_t>, 16> counted_here{}; ///< where nobody wants to know
    std::atomic<std::uint64_t>* counts = counted_here.data();  ///< how often a rule has struck
    std::array<known, 32768> descriptors;
    std::atomic<std::uint64_t> connections = 0;
    std::array<std::atomic<std::uint64_t>, 64> old_events{}; ///< their data
    std::atomic<std::uint64_t> old_event_count = 0;
};
everything& all();

/// True if malloc is hit by now. Not in everything, which needs memory itself to be made.
inline constinit std::atomic<bool> memory_fails = false;

/// \return nothing for numbers that are too large to be kept
known* find(int fd);

/// The function that the program would have called, had we not come first.
template <typename Function>
Function* next(const char* name) {
    return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

std::uint64_t mix(std::uint64_t x);

struct verdict {
    int fault = 0;            ///< 0: none
    std::uint64_t random = 0; ///< for a call that needs one
};

/// What becomes of this call. \param applies whether a fault makes sense for it
template <typename Applies>
verdict judge(call where, const Applies& applies) {
    auto& self = all();
    for (std::size_t i = 0; i < self.script.rule_count; ++i) {
        const auto& rule = self.script.rules[i];
        if (rule.where != where || !applies(rule.fault)) continue;
        const auto turn = self.seen[i]++;
        const auto random = mix(mix(self.script.seed * 31 + i) + turn);
        const bool hit = rule.chance > 0
                             ? static_cast<double>(random >> 11U) * 0x1p-53 < rule.chance
                             : turn >= rule.after && turn - rule.after < rule.count;
        if (!hit) continue;
        ++self.counts[i];
        return {rule.fault, mix(random)};
    }
    return {};
}

inline bool is_errno(int fault) {
    return fault > 0;
}

inline int fail(int number) {
    errno = number;
    return -1;
}

/// Has epoll look at the descriptor again: it reports a readiness event if there is anything.
void announce_again(int fd);

bool does_not_block(int fd);

/// A connection begins: `every` and `from` count it. Nothing, if there is none.
void begin_life(int fd);
void end_life(int fd);

/// recv and send, the parts that they share. \param most how much was asked for
/// \return how much may be asked for; or 0, and what to return in `result`
std::size_t allow(call where, int fd, std::size_t most, ssize_t& result);
/// Like the other allow(), for a message of several parts. If less than the whole message is
/// allowed, it is at most the first part. \return whether the call is made
bool allow(call where, int fd, msghdr& message, iovec& first, ssize_t& result);

/// \return whether the call fails; else it may have been told to fall short
bool epoll_fails(int& most);
/// Events as the kernel gave them, and perhaps one of somebody who has had one before: he may be
/// idle, or gone.
int with_a_ghost(int count, epoll_event* events, int most);

} // namespace faults
