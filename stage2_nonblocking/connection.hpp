#pragma once
/// \file
/// The conversation with one client, as a state machine. In stage 1 the client's thread remembers
/// how far the conversation is, and in Go its goroutine does. Here no call on a socket sleeps. So
/// each place where stage 1's thread would sleep is a state, and the state must be stored.

#include "runtime/poller.hpp"
#include "syscall/socket.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace stage2 {

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
///     any        -                             closed, at the end of the stream or on an error
///
/// In state `writing` nothing is read. So TCP itself stops a client that sends but never reads, and
/// at most one buffer is stored for it.
class connection {
public:
    /// Begins in state `reading`. The caller must add the descriptor to the poller.
    explicit connection(accepted client);

    /// Returns the descriptor, for the poller and the server's table. The connection still owns it,
    /// and closes it only when it is destroyed, also after is_closed().
    [[nodiscard]] int fd() const noexcept { return client_.fd.get(); }
    /// True if the conversation has ended. The server must then remove the descriptor from the
    /// poller, and destroy the connection.
    [[nodiscard]] bool is_closed() const noexcept { return state_ == state::closed; }
    /// Returns what the poller has to watch the descriptor for in the present state.
    [[nodiscard]] interest wanted_events() const noexcept;

    /// Continues the conversation without waiting. Reads at most one buffer, because other clients
    /// must be served as well.
    /// \param buffer memory to read into; not used after the call
    /// \throws std::bad_alloc if there is no memory to store unsent bytes
    void advance(std::span<char> buffer);

    /// Stops reading messages, and ends the conversation as soon as the client has acknowledged
    /// everything. Must be called again until is_closed(), because the kernel does not report
    /// acknowledgements.
    void finish();
    /// Ends the conversation now, even if bytes are left unsent.
    void close();
    /// Like close(), but the client gets a reset. For a client that will not get all its bytes:
    /// with a normal end it would believe that it has got all of them.
    void close_with_reset();

private:
    enum class state { reading, writing, lingering, closed };

    void echo(std::span<char> buffer);
    void write_unsent();
    void linger(std::span<char> buffer);
    void all_sent();

    accepted client_;
    state state_ = state::reading;
    bool finishing_ = false;   ///< finish() has been called
    std::vector<char> unsent_; ///< in state writing: bytes that were read and not sent at once
    std::size_t sent_ = 0;     ///< how many bytes of unsent_ have been sent
};

} // namespace stage2
