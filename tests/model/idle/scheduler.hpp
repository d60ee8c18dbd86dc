#pragma once
/// \file
/// The threads of a scheduler. They run the real basic_idle; what is around it (scheduler.cpp, the
/// poller, the coroutines) is retold here.

#include "explorer.hpp"

namespace model {

/// What a coroutine does in its only turn: makes another one ready, then computes until others
/// have ended. Coroutines are numbered from 1.
struct turn {
    std::uint8_t readies = 0; ///< none
    set until = 0;
};

/// Makes a scheduler with so many workers, whose coroutines do that. \param stops there is a
/// stopper
void make_scheduler(std::size_t workers, std::vector<turn> coroutines, bool stops);

actor worker(std::size_t number);
/// \param in_steps as it is: otherwise it does everything between two waits at once
actor sysmon(bool in_steps);
/// The kernel reports those, at some time, in one event each or all at once.
actor kernel(set coroutines);
/// A thread outside of the scheduler makes a coroutine ready. Go: injectglist
actor outside(std::uint8_t coroutine);
/// A thread outside calls stop().
actor stopper();

/// Checks what must hold when no thread can continue.
void check_quiet(const world& end);
void check_stopped(const world& end);

} // namespace model
