#pragma once
/// \file
/// Who has been woken and gets a turn: what Go's injectglist does with goroutines, for one thread
/// and callbacks.

#include "trace.hpp"
#include "waiter.hpp"

#include <utility>

namespace stage4 {

class run_queue;

/// A waiter with something to do once it has been woken. It must not go away while it is queued
/// or parked.
struct runnable : waiter {
    /// \param in where being woken puts it \param what its turn
    runnable(run_queue& in, void (*what)(runnable&)) : waiter{&enqueue}, queue(&in), run(what) {}
    runnable(const runnable&) = delete;            ///< the queue points to it
    runnable& operator=(const runnable&) = delete; ///< the same

    run_queue* queue;        ///< must outlive it
    void (*run)(runnable&);  ///< called by run_queue::run(), and may destroy it
    runnable* behind = this; ///< in the queue; itself: it is not in there. Go: g.schedlink

private:
    static void enqueue(waiter& w);
};

/// First come, first served. Of one thread. Who waits is linked to who waits behind it, so that a
/// turn never needs memory. Go: gQueue
class run_queue {
public:
    /// Gives it a turn, behind all others; one, however often it is pushed until then. Go: runqput
    void push(runnable& who) {
        if (ended_ || who.behind != &who) return;
        who.behind = nullptr;
        (first_ == nullptr ? first_ : last_->behind) = &who;
        last_ = &who;
    }
    /// Whether nobody waits for a turn: the poller may sleep. Go: runqempty
    [[nodiscard]] bool empty() const { return first_ == nullptr; }

    /// A turn for everyone who is queued now; who comes meanwhile is next time's.
    void run() {
        runnable* who = std::exchange(first_, nullptr);
        while (who != nullptr) {
            runnable* const next = std::exchange(who->behind, who); // its turn may destroy it
            const trace::span resumed("resume", {.waiter = who});
            who->run(*who);
            who = next;
        }
    }

    /// Nobody gets a turn any more: for the end, when those who wait go away and are woken by that.
    void end() { ended_ = true; }

private:
    runnable* first_ = nullptr;
    runnable* last_ = nullptr; ///< if there is a first one
    bool ended_ = false;
};

inline void runnable::enqueue(waiter& w) {
    auto& who = static_cast<runnable&>(w);
    trace::event("ready", {.waiter = &who});
    who.queue->push(who);
}

} // namespace stage4
