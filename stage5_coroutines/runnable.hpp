#pragma once
/// \file
/// What a run queue holds: as much of Go's G as the scheduler needs.

#include "waiter.hpp"

namespace stage5 {

/// Something with a turn to take. Being woken makes it ready: see scheduler.hpp.
struct runnable : waiter {
    /// \param what its turn: may destroy it
    explicit runnable(void (*what)(runnable&)) : waiter{&ready}, run(what) {}

    void (*run)(runnable&);     ///< its turn, on any worker
    runnable* behind = nullptr; ///< in the global queue. Go: g.schedlink

private:
    static void ready(waiter& w);
};

/// Puts it into a run queue: this worker's, or from outside the global one. Thread-safe. Once for
/// each turn; until that turn it must not go away. Go: goready.
void ready(runnable& who);

} // namespace stage5
