#pragma once
/// \file
/// Serialises the calls on a descriptor: one per direction at a time, while the others queue. Also
/// counts references, so that the descriptor is not closed before the last call has left.
/// Go: internal/poll/fd_mutex.go.
///
///     operation        what it does                           otherwise
///     lock             sets the direction's busy bit,         busy already: the call queues,
///                      adds a reference                       and sets the queued bit
///     unlock           takes both back                        calls are queued: gives both to
///                                                             the first one
///     close            sets the closed bit, wakes the         closed already: fails
///                      queued calls, which then fail
///     drop a           if it is the last one of a closed fd_mutex: the caller destroys what is
///     reference        protected, and calls set_destroyed()
///
///     bit of word_     meaning
///     0                closed
///     1                destroyed: set_destroyed() has been called
///     2                close_waits: the close waits for set_destroyed()
///     3, 4             busy: a call has the read direction, the write direction
///     5, 6             queued: calls are queued for it
///     from 7 on        the number of references
///
/// The queues are in a table of the process, as in Go (runtime/sema.go: semtable), so that a
/// connection pays four bytes for its fd_mutex.

#include "../runtime/poll_desc.hpp"
#include "../runtime/runnable.hpp"

#include <atomic>
#include <cstdint>

namespace stage5 {

/// A lock with a queue for each direction, and a count of references. Thread-safe.
class fd_mutex {
public:
    /// What lock() returns. `in`: the caller now has the direction and a reference. `busy`: another
    /// call has the direction. `closed`: no call may begin any more.
    enum class lock_result : std::uint8_t { in, busy, closed };

    /// Adds a reference, for a call that does not wait. \return false if closed. Go: fdMutex.incref
    bool add_reference();
    /// Drops a reference. Go: fdMutex.decref
    /// \return true if it was the last one of a closed fd_mutex: the caller must destroy what is
    /// protected, and call set_destroyed()
    bool drop_reference();

    /// Takes the direction if it is free. Does not wait. Go: fdMutex.rwlock
    lock_result lock(direction s);
    /// Takes the direction if it is free; otherwise queues `who` and returns busy. `who` is made
    /// ready later: with `entered` true if it has the direction then, false if the fd_mutex was
    /// closed.
    lock_result lock(direction s, runnable& who, bool& entered);
    /// Gives the direction back. \return as drop_reference(). Go: fdMutex.rwunlock
    bool unlock(direction s);

    /// Closes: no further call may begin, and those that are queued are woken. Adds a reference,
    /// which the caller must drop. Go: fdMutex.increfAndClose
    /// \return false if it was closed before
    bool close();
    /// Makes `who` ready when set_destroyed() is called. Only for the caller of the first close().
    /// \return false if set_destroyed() was called already, and there is nothing to wait for
    bool wait_until_destroyed(runnable& who);
    /// To be called when what is protected has been destroyed: wakes the close that waits for that.
    /// Go: runtime_Semrelease(&fd.csema)
    void set_destroyed();

    /// True if lock() would return `closed`.
    [[nodiscard]] bool is_closed() const { return (word_.load() & closed) != 0; }

private:
    using word = std::uint32_t;
    static constexpr word closed = 1, destroyed = 2, close_waits = 4; ///< see the table above
    static constexpr word one_reference = 128;
    static word busy(direction s) { return word{8} << static_cast<unsigned>(s); }
    static word queued(direction s) { return word{32} << static_cast<unsigned>(s); }
    bool hand_over(direction s);

    std::atomic<word> word_ = 0;
};

} // namespace stage5
