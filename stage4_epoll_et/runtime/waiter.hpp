#pragma once
/// \file
/// What a call parks in a state word of a poll_desc.

namespace stage4 {

/// Something that can be parked and woken: a callback in stage 4, a coroutine in stage 5. The
/// poller need not know which. Go: the *g in pollDesc.rg and wg; calling `wake` is goready.
struct waiter {
    /// Makes the waiter runnable. Called once each time it has parked, from any thread. It must
    /// only queue the waiter and not run it: the caller may be in the middle of a batch of events.
    void (*wake)(waiter&);
};

} // namespace stage4
