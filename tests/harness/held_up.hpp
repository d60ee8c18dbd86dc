#pragma once
/// \file
/// A server that stands still for a moment.

#include "harness/server.hpp"

#include <sys/wait.h>

#include <csignal>

namespace harness {

/// Holds a server up while it lives, so that what clients do meanwhile meets it all at once.
class held_up {
public:
    explicit held_up(const server& one) : one_(one) {
        one_.signal(SIGSTOP);
        siginfo_t info{}; // until it really stands still
        const auto id = static_cast<id_t>(one_.pid());
        check(::waitid(P_PID, id, &info, WSTOPPED), "waitid");
    }
    ~held_up() { one_.signal(SIGCONT); }
    held_up(const held_up&) = delete;
    held_up& operator=(const held_up&) = delete;

private:
    const server& one_;
};

} // namespace harness
