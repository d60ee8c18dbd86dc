#pragma once
/// \file
/// The queue of waiters that have been woken and will be run next. Go: injectglist, which queues
/// goroutines; here it is callbacks, and a single thread.

#include "../syscall/trace.hpp"
#include "waiter.hpp"

#include <utility>

namespace stage4 {

class run_queue;

/// A waiter that runs a callback after it has been woken. It must not be destroyed while it is
/// parked or queued.
struct runnable : waiter {
    /// \param in the queue that it enters when it is woken \param what the callback
    runnable(run_queue& in, void (*what)(runnable&)) : waiter{&enqueue}, queue(&in), run(what) {}
    runnable(const runnable&) = delete;            ///< The queue holds pointers to runnables.
    runnable& operator=(const runnable&) = delete; ///< The queue holds pointers to runnables.

    run_queue* queue;       ///< must outlive the runnable
    void (*run)(runnable&); ///< called by run_queue::run(); may destroy the runnable
    runnable* next_in_queue =
        this; ///< the next in the queue; itself if not queued. Go: g.schedlink

private:
    static void enqueue(waiter& w);
};

/// A first-in, first-out queue, for one thread. Its elements are linked to each other, so that
/// push() needs no memory. Go: gQueue
class run_queue {
public:
    /// Appends `who`, unless it is queued already or end() has been called. Go: runqput
    void push(runnable& who) {
        if (ended_ || who.next_in_queue != &who) return;
        who.next_in_queue = nullptr;
        (first_ == nullptr ? first_ : last_->next_in_queue) = &who;
        last_ = &who;
    }
    /// Returns true if nothing is queued; then the poller may wait. Go: runqempty
    [[nodiscard]] bool empty() const { return first_ == nullptr; }

    /// Runs everything that is queued now. What is queued meanwhile is left for the next call, so
    /// that the server polls in between.
    void run() {
        runnable* who = std::exchange(first_, nullptr);
        while (who != nullptr) {
            runnable* const next = std::exchange(who->next_in_queue,
                                                 who); // now: run() may destroy it
            const trace::span resumed("resume", {.waiter = who});
            who->run(*who);
            who = next;
        }
    }

    /// From now on push() does nothing. To be called before the runnables are destroyed: that
    /// closes their descriptors and so wakes them, and they must not be queued then.
    void end() { ended_ = true; }

private:
    runnable* first_ = nullptr;
    runnable* last_ = nullptr; ///< valid only if first_ is set
    bool ended_ = false;
};

inline void runnable::enqueue(waiter& w) {
    auto& who = static_cast<runnable&>(w);
    trace::event("ready", {.waiter = &who});
    who.queue->push(who);
}

} // namespace stage4
