#pragma once
/// \file
/// What a run queue holds, which is as much of Go's G as the scheduler needs.

#include "waiter.hpp"

namespace stage5 {

struct runnable;

/// Puts `who` into a run queue: the calling worker's, or the global one if the thread is no worker.
/// Thread-safe. Call it once per run, and keep `who` alive until that run. Go: goready.
void ready(runnable& who);

/// An element of a run queue: something that workers run, again and again. Waking it puts it into a
/// run queue. Each run begins with a call of `run` and ends when that call returns. Go: runtime.g
struct runnable : waiter {
    /// \param what the first value of `run`; may destroy this object
    explicit runnable(void (*what)(runnable&)) : waiter{&ready}, run(what) {}

    void (*run)(runnable&);            ///< what a worker calls for each run
    runnable* next_in_queue = nullptr; ///< the next one in a run_list. Go: g.schedlink

private:
    static void ready(waiter& w) { stage5::ready(static_cast<runnable&>(w)); }
};

} // namespace stage5
