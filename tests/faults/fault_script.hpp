#pragma once
/// \file
/// What a preloaded fault_injector is told to do, as a line of words:
///
///     seed=7 every=3 timer=100 recv:short=0.5 accept4:emfile=3 epoll_ctl:enospc=2@10
///
///     CALL:FAULT=0.5   each call is hit with that chance (there is a point in it)
///     CALL:FAULT=3     the first three calls are
///     CALL:FAULT=2@10  two are, after ten that were not
///     seed=N           which calls a chance hits
///     every=K          recv and send are hit on each K-th connection only
///     connected=1      what the program has connected counts as well as what it has accepted
///     from=K           malloc is hit from the K-th connection on,
///     least=N          and only where it is asked for N bytes or more
///     timer=N          a signal every N microseconds, without SA_RESTART
///
/// CALL is recv, send (sendmsg, too), accept4, epoll_wait (epoll_pwait2, too),
/// epoll_pwait2, epoll_ctl, poll, select, socket, connect, getsockopt (of SO_ERROR: that is what it
/// tells), getaddrinfo, pthread_create, malloc (and so operator new) or read (of eight bytes, as
/// an eventfd is read). FAULT is an errno's name in small letters, or one of getaddrinfo's, or
/// `short` (recv, send: less than was asked for; epoll_wait: one event at a time), `byte` (recv,
/// send: one byte), `spurious` (epoll_wait, poll: somebody is reported who is not ready), or
/// `forever` (getaddrinfo: it does not return).

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace faults {

enum class call : std::uint8_t {
    recv,
    send,
    accept4,
    epoll_wait,
    epoll_pwait2,
    epoll_ctl,
    poll,
    select,
    socket,
    connect,
    getsockopt,
    getaddrinfo,
    pthread_create,
    malloc,
    read
};

/// Faults that are no errno; errnos are positive.
inline constexpr int fault_short = -1;
inline constexpr int fault_spurious = -2;
inline constexpr int fault_byte = -3;
inline constexpr int fault_forever = -4;
inline constexpr int fault_eai = -100; ///< and EAI_AGAIN and its kin, which are negative, too

struct rule {
    call where{};
    int fault = 0;           ///< an errno or one of the above
    double chance = 0;       ///< or, if it is 0:
    std::uint64_t after = 0; ///< so many calls go well,
    std::uint64_t count = 0; ///< then so many don't
};

struct script {
    std::uint64_t seed = 1;
    std::uint64_t every = 1;
    int connected = 0;
    std::uint64_t from = 1;
    std::size_t least = 0; ///< bytes
    long timer = 0;        ///< microseconds
    std::array<rule, 16> rules{};
    std::size_t rule_count = 0;
};

/// Reads a script. \return the script, or nothing, and then `wrong` is the word that can't be read.
/// Allocates no memory: it runs before the program that it is for.
std::optional<script> parse_script(std::string_view line, std::string_view& wrong);

} // namespace faults
