#pragma once
/// \file
/// Who has been woken and gets a turn: what Go's injectglist does with goroutines, for one thread
/// and callbacks.

#include "trace.hpp"
#include "waiter.hpp"

#include <utility>
#include <vector>

namespace stage4 {

class run_queue;

/// A waiter with something to do once it has been woken. It must not go away while it is queued
/// or parked.
struct runnable : waiter {
    /// \param in where being woken puts it \param what its turn
    runnable(run_queue& in, void (*what)(runnable&)) : waiter{&enqueue}, queue(&in), run(what) {}

    run_queue* queue;       ///< must outlive it
    void (*run)(runnable&); ///< called by run_queue::run(), and may destroy it

private:
    static void enqueue(waiter& w);
};

/// First come, first served. Of one thread.
class run_queue {
public:
    /// Gives it a turn, behind all others; once until it has had it. Go: runqput
    void push(runnable& who) { waiting_.push_back(&who); }
    /// Whether nobody waits for a turn: the poller may sleep. Go: runqempty
    [[nodiscard]] bool empty() const { return waiting_.empty(); }

    /// A turn for everyone who is queued now; who comes meanwhile is next time's.
    void run() {
        turn_.swap(waiting_);
        for (runnable* const who : turn_) {
            const trace::span resumed("resume", {.waiter = who});
            who->run(*who);
        }
        turn_.clear();
    }

private:
    std::vector<runnable*> waiting_, turn_;
};

inline void runnable::enqueue(waiter& w) {
    auto& who = static_cast<runnable&>(w);
    trace::event("ready", {.waiter = &who});
    who.queue->push(who);
}

} // namespace stage4
