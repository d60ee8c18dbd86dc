#pragma once
/// \file
/// One client's connection as a state machine, because no thread and no coroutine remembers how far
/// it has come. Its fd returns `pending` where Go would park the goroutine.

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
    run_queue& queue;                      ///< where woken connections wait to run
    options how;                           ///< of which the timeouts are used
    std::vector<char> buffer;              ///< one for all, lent to the connection that runs
    std::function<void(connection&)> turn; ///< called to run a connection that was queued
};

/// A connection with one client, which gets back every byte that it sends:
///
///     state      waits for              next state  when
///     reading    bytes to read          writing     not all bytes could be sent back at once
///                                       lingering   finish() has been called
///     writing    send buffer space      reading     all bytes have been sent
///                                       lingering   the same, and finish() has been called
///     lingering  acknowledgements       closed      the client's kernel has acknowledged all
///     all                               closed      the stream's end, an error, a deadline
///
/// While there are unsent bytes, nothing is read. So TCP holds back a client that sends and never
/// reads, and no more than one buffer of bytes is kept for it. Until it is closed, a connection is
/// either parked or queued, never both. Not thread-safe.
class connection : public runnable {
public:
    /// Begins in state `reading`, and neither parked nor queued: the caller must queue it.
    /// \param around must outlive the connection
    connection(fd socket, surroundings& around);

    /// Returns true if the descriptor is closed and no call is pending, so that the connection may
    /// be destroyed.
    [[nodiscard]] bool is_gone() const noexcept { return socket_.get() < 0; }

    /// Runs until the connection has to wait, or for a few buffers, so that others can run.
    /// \return true if it did not have to wait, and must be queued again. Throws std::bad_alloc if
    /// there is no memory to keep unsent bytes
    bool advance();

    /// Ends the connection gracefully: reads no more, and closes once the client's kernel has
    /// acknowledged everything. No event reports that, so call this again until is_gone().
    void finish();
    /// Closes at once and sends a reset, so that the client knows that bytes are missing.
    void cut_off();

    std::list<connection>::iterator place; ///< in the server's list

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
    int unacknowledged_ = 0; ///< in bytes, when the write deadline was last set
    std::size_t paid_ = 0;   ///< how many bytes of owed_ have been sent
    std::vector<char> owed_; ///< read from the client, and not all sent back yet
    surroundings& around_;
    std::unique_ptr<address> peer_; ///< for --verbose only
};

} // namespace stage4
