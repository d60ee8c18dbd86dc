#pragma once
/// \file
/// What parks: the goroutine's place in the poller's words.

namespace stage5 {

/// Somebody who waits. What exactly is nobody's business here: a callback in this stage, a
/// coroutine in the next. Go: the *g in pollDesc.rg and wg; calling `wake` is goready.
struct waiter {
    /// Makes it runnable; called once for each time that it parked, from any thread. It must not
    /// run it: whoever calls may be in the middle of a batch of events.
    void (*wake)(waiter&);
};

} // namespace stage5
