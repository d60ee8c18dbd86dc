#pragma once
/// \file
/// The conversation with one client, as a state machine. In stage 1 the client's thread remembers
/// how far the conversation is, and in Go its goroutine does. Here the fd returns `pending` where
/// Go would park the goroutine, and each such place is a state, which must be stored.

#include "options.hpp"
#include "poll/fd.hpp"
#include "runtime/run_queue.hpp"

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <vector>

namespace stage4 {

class connection;

/// What all connections of a server share.
struct shared_state {
    run_queue& queue;         ///< where woken connections wait to run
    options settings;         ///< of which the timeouts are used
    std::vector<char> buffer; ///< one for all, lent to the connection that runs
    std::function<void(connection&)> run_connection; ///< called to run a connection that was queued
};

/// One client, as a state machine. Not thread-safe.
///
///     state      waits until                   next state
///     reading    bytes have arrived            reading, if all of them could be sent back
///                                              writing, if some are left unsent
///                                              lingering, after finish()
///     writing    the send buffer has room      writing, while bytes are left unsent
///                                              reading, when all have been sent
///                                              lingering, when all have been sent, after finish()
///     lingering  the client has acknowledged   closed
///                all bytes, or sends its FIN
///     any        -                             closed, at the end of the stream, on an error, or
///                                              when a deadline passes
///
/// In state `writing` nothing is read. So TCP itself stops a client that sends but never reads, and
/// at most one buffer is stored for it. Between its runs, a connection that is not closed is either
/// parked or queued, never both.
class connection : public runnable {
public:
    /// Begins in state `reading`, and neither parked nor queued: the caller must queue it.
    /// \param around must outlive the connection
    connection(fd socket, shared_state& around);

    /// Returns true if the descriptor is closed and no call is pending, so that the connection may
    /// be destroyed.
    [[nodiscard]] bool is_finished() const noexcept { return socket_.get() < 0; }

    /// Runs until the connection has to wait, or for a few buffers, so that others can run.
    /// \return true if it did not have to wait, and must be queued again. Throws std::bad_alloc if
    /// there is no memory to keep unsent bytes
    bool advance();

    /// Ends the connection gracefully: reads no more, and closes once the client's kernel has
    /// acknowledged everything. No event reports that, so call this again until is_finished().
    void finish();
    /// Closes at once and sends a reset, so that the client knows that bytes are missing.
    void close_with_reset();

    std::list<connection>::iterator position; ///< in the server's list

private:
    enum class state : std::uint8_t { reading, writing, lingering, closed };

    static void on_wake(runnable& who);
    bool echo();
    bool write_unsent();
    bool linger();
    void all_sent();
    void set_idle_deadline();
    void set_write_deadline();
    [[nodiscard]] bool client_took_bytes() const;
    bool close();

    fd socket_;
    state state_ = state::reading;
    bool finishing_ = false;   ///< finish() has been called
    int unacknowledged_ = 0;   ///< in bytes, when the write deadline was last set
    std::size_t sent_ = 0;     ///< how many bytes of unsent_ have been sent
    std::vector<char> unsent_; ///< in state writing: bytes that were read and not sent at once
    shared_state& shared_;
    std::unique_ptr<address> peer_; ///< for --verbose only
};

} // namespace stage4
