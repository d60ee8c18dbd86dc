#pragma once
/// \file
/// What one thread's stack has held in the stage before, and a goroutine's holds in Go: where the
/// conversation with one client stands. Nobody sleeps in its calls any more, so the place where
/// somebody would have slept needs a name.

#include "poller.hpp"
#include "socket.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace stage2 {

/// One client, as a state machine:
///
///     state      waits for        leaves it when            to
///     reading    bytes            the client takes less     writing
///                                 than it sent
///                                 finish()                  lingering
///     writing    room to write    nothing is owed           reading, or
///                                 any more                  lingering after finish()
///     lingering  nothing in       the client has            closed
///                flight           everything
///     any        -                end of file, an error     closed
///
/// While bytes are owed nothing is read, so a client that sends and never reads is held back by
/// TCP itself, and at most one buffer is kept for it. Not thread-safe.
class connection {
public:
    /// Begins with `reading`; the poller has yet to be told.
    explicit connection(accepted client);

    /// The number, for the poller and the server's table; borrowed, and ours also when is_closed().
    [[nodiscard]] int fd() const noexcept { return client_.fd.get(); }
    /// Whether it has ended: whoever holds it takes it out of the poller, then destroys it.
    [[nodiscard]] bool is_closed() const noexcept { return state_ == state::closed; }
    /// What the poller should watch for.
    [[nodiscard]] interest wants() const noexcept;

    /// Goes on as far as it goes without waiting, at most one buffer: others want a turn, too.
    /// `buffer` is lent to it for the call. Throws std::bad_alloc if it can't keep what is owed.
    void advance(std::span<char> buffer);

    /// Reads no more, and closes once everything that was read has reached the client: to be
    /// called again until it has.
    void finish();
    /// Ends it now, whatever is owed.
    void close();
    /// The same for who can't get all that it is owed: with a reset.
    void cut_off();

private:
    enum class state { reading, writing, lingering, closed };

    void echo(std::span<char> buffer);
    void write_owed();
    void linger(std::span<char> buffer);
    void nothing_owed();

    accepted client_;
    state state_ = state::reading;
    bool finishing_ = false;
    std::vector<char> owed_; ///< read from the client and not yet taken back
    std::size_t paid_ = 0;   ///< how much of owed_ was taken since
};

} // namespace stage2
