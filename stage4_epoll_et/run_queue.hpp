#pragma once
/// \file
/// Who has been woken and gets a turn: what Go's injectglist does with goroutines, for one thread
/// and callbacks.

#include "waiter.hpp"

#include <utility>
#include <vector>

namespace stage4 {

class run_queue;

/// A waiter with something to do once it has been woken. It must not go away while it is queued
/// or parked.
struct runnable : waiter {
    runnable(run_queue& in, void (*what)(runnable&)) : waiter{&enqueue}, queue(&in), run(what) {}

    run_queue* queue;
    void (*run)(runnable&);

private:
    static void enqueue(waiter& w);
};

/// First come, first served. Of one thread.
class run_queue {
public:
    void push(runnable& who) { waiting_.push_back(&who); }
    [[nodiscard]] bool empty() const { return waiting_.empty(); }

    /// A turn for everyone who is queued now; who comes meanwhile is next time's.
    void run() {
        turn_.swap(waiting_);
        for (runnable* const who : turn_) who->run(*who);
        turn_.clear();
    }

private:
    std::vector<runnable*> waiting_, turn_;
};

inline void runnable::enqueue(waiter& w) {
    auto& who = static_cast<runnable&>(w);
    who.queue->push(who);
}

} // namespace stage4
