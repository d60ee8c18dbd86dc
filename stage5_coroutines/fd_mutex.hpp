#pragma once
/// \file
/// Who is at a descriptor: at most one caller a side, others in line behind, and its number stays
/// taken until the last has left. Go: internal/poll/fd_mutex.go, also one word of bits; those who
/// wait are in a table of the process there too (runtime/sema.go: semtable), so that a connection
/// that nobody fights for pays four bytes.
///
///     lock      busy bit of the side, a reference    or, if it is busy, the line bit and a place
///     unlock    takes both back                      or hands both to the first in line
///     close     closed bit; the lines are sent away  or fails: it was closed before
///     the last reference of a closed one             its owner destroys what it protects: gone

#include "poll_desc.hpp"
#include "runnable.hpp"

#include <atomic>
#include <cstdint>

namespace stage5 {

/// Every function may be called from any thread.
class fd_mutex {
public:
    /// How lock() went: the side is ours, with a reference; somebody else's; nobody's any more.
    enum class entry : std::uint8_t { in, busy, closed };

    /// For something short. \return false if it is closed. Go: fdMutex.incref
    bool add_reference();
    /// \return whether it was the last of a closed one. Go: fdMutex.decref
    bool drop_reference();

    /// Tries to be the one on its side. Go: fdMutex.rwlock, without its wait
    entry lock(side s);
    /// The same; if it is busy, `who` is made ready later, and `entered` says how it went.
    entry lock(side s, runnable& who, bool& entered);
    /// \return as drop_reference() does. Go: fdMutex.rwunlock
    bool unlock(side s);

    /// Sends away who is in line; the caller has a reference then. \return false if somebody else
    /// has closed it before. Go: fdMutex.increfAndClose
    bool close();
    /// After close: waits until what it protects is gone. \return false if it is already
    bool wait_until_gone(runnable& who);
    /// What it protected has been destroyed. Go: runtime_Semrelease(&fd.csema)
    void gone();

    /// Whether lock() would say `closed`.
    [[nodiscard]] bool is_closed() const { return (word_.load() & closed) != 0; }

private:
    using word = std::uint32_t;
    static constexpr word closed = 1, destroyed = 2, closer = 4; ///< closer: somebody waits for it
    static constexpr word one_reference = 128;
    static word busy(side s) { return word{8} << static_cast<unsigned>(s); }
    static word line(side s) { return word{32} << static_cast<unsigned>(s); }
    bool hand_over(side s);

    std::atomic<word> word_ = 0;
};

} // namespace stage5
