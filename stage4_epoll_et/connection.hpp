#pragma once
/// \file
/// Where the conversation with one client stands, over an fd that says `pending` where a
/// goroutine would have been parked.

#include "fd.hpp"
#include "options.hpp"
#include "run_queue.hpp"

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <vector>

namespace stage4 {

class connection;

/// What all connections of a server share.
struct surroundings {
    run_queue& queue;         ///< where who has been woken waits for its turn
    options how;              ///< how long a client may take for what
    std::vector<char> buffer; ///< lent to whose turn it is: an idle connection has none
    std::function<void(connection&)> turn; ///< called when a connection has been woken
};

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
///     any        -                end of file, an error,    closed
///                                 a deadline
///
/// While bytes are owed nothing is read, so a client that sends and never reads is held back by
/// TCP itself, and at most one buffer is kept for it. It is always parked or queued, never both,
/// until it is closed. Not thread-safe.
class connection : public runnable {
public:
    /// Begins with `reading`, parked nowhere: to be queued for its first turn. \param around must
    /// outlive it
    connection(fd socket, surroundings& around);

    /// Whether nothing is left of it, neither a descriptor nor a call that is pending.
    [[nodiscard]] bool is_gone() const noexcept { return socket_.get() < 0; }

    /// Goes on until it has to wait, or for a few buffers: others want a turn, too.
    /// \return whether it wants another one. Throws std::bad_alloc if it can't keep what is owed
    bool advance();

    /// Reads no more, and closes once everything that was read has reached the client: to be
    /// called again until it has. Works through deadlines: whoever waits is woken.
    void finish();
    /// Ends it now, since what is owed can't be kept: with a reset.
    void cut_off();

    std::list<connection>::iterator place; ///< in its server's list

private:
    enum class state : std::uint8_t { reading, writing, lingering, closed };

    static void take_turn(runnable& who);
    bool echo();
    bool write_owed();
    bool linger();
    void nothing_owed();
    void expect_bytes();
    void expect_room();
    [[nodiscard]] bool took_something() const;
    bool close();

    fd socket_;
    state state_ = state::reading;
    bool finishing_ = false;
    int unacknowledged_ = 0; ///< when room was last expected
    std::size_t paid_ = 0;   ///< how much of owed_ was taken since
    std::vector<char> owed_; ///< read from the client and not yet taken back
    surroundings& around_;
    std::unique_ptr<address> peer_; ///< for --verbose
};

} // namespace stage4
