#pragma once
/// \file
/// `net.Conn`, as a handle like Go's pointers: copies refer to the same socket, and the last copy
/// that is destroyed closes it.

#include "../poll/fd_call.hpp"
#include "../poll/fd_write.hpp"
#include "../runtime/time.hpp"
#include "error.hpp"

#include <chrono>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace stage5::net {

/// The size of the buffer that a read lends, in bytes.
inline constexpr std::uint32_t lent_size = 64 * 1024;

/// A point in time. deadline{} stands for no deadline; one in the past expires at once.
using deadline = time_point;

using stage5::after; ///< makes a deadline: now plus a span

class conn;

/// Adds to a call of fd what package net adds: errors name the operation and the addresses, and
/// what was accepted is a connection.
template <typename Call>
class net_call : public Call {
    static constexpr bool accepts = std::is_same_v<Call, accept_call>;

public:
    using Call::Call;
    awaiting<net_call> operator co_await() && {
        return awaiting<net_call>(*this);
    } ///< runs the call
    /// What awaiting it gives: what the call gives, or a connection in place of an accepted fd.
    using value = std::conditional_t<accepts, conn, typename Call::value>;
    /// \return the value, or an error with the operation and both addresses. Go: conn.Read etc.
    std::expected<value, error> result() {
        auto result = Call::result();
        if (!result)
            return std::unexpected(failure(this->on(), Call::op, result.error(), this->done()));
        if constexpr (std::is_void_v<value>)
            return {};
        else
            return value(*std::move(result));
    }
};

/// A stream connection. Thread-safe. Several coroutines may read, or write: their calls queue up.
/// Go: net.Conn, TCPConn, UnixConn.
class conn {
public:
    conn() noexcept = default; ///< refers to no socket; may only be assigned to
    /// Refers to a socket. \param socket connected, in the poller. Go: newTCPConn
    explicit conn(fd_ref socket) noexcept : fd_(std::move(socket)) {}

    /// Waits for at least one byte, and reads those that have arrived. Awaiting it gives their
    /// number, 0 at the end of the stream. Go: Conn.Read
    [[nodiscard]] net_call<read_call> read(std::span<char> into) const {
        return net_call<read_call>(*fd_, into);
    }
    /// Reads into the worker's buffer, so that a connection that waits has no buffer. Awaiting it
    /// gives the bytes, none at the end of the stream. They are valid until the coroutine awaits
    /// something else. That may be a write of them: before it waits, it copies them.
    /// \param at_most how many bytes, up to lent_size
    [[nodiscard]] net_call<borrowing_read_call> read(std::uint32_t at_most = lent_size) const {
        return net_call<borrowing_read_call>(*fd_, at_most);
    }
    /// Writes all of the bytes, or fails. They must stay where they are until then. Go: Conn.Write
    ///
    /// The parameters are references, to save memory: a temporary argument of an awaited call is
    /// kept in the coroutine's frame, a variable is not.
    /// \param timeout if the peer takes no bytes for this long, the write fails; 0: no limit. It
    /// sets the write deadline.
    [[nodiscard]] net_call<write_call> write(const std::span<const char>& bytes,
                                             const std::chrono::nanoseconds& timeout = {}) const {
        return net_call<write_call>(*fd_, bytes, timeout);
    }
    /// Writes several buffers in one call, one after the other. Go: Buffers.WriteTo
    [[nodiscard]] net_call<write_call> writev(buffers bytes,
                                              std::chrono::nanoseconds timeout = {}) const {
        return net_call<write_call>(*fd_, bytes, timeout);
    }

    /// Closes. All calls, those that wait and those to come, fail with is_closed(). Awaiting it
    /// waits until they have left. \return an error if it was closed before. Go: Conn.Close
    [[nodiscard]] net_call<close_call> close() const { return net_call<close_call>(*fd_); }
    /// Closes like close(), but does not wait for calls in progress.
    void close_now() const { fd_->close(); }
    /// Ends reading: a read that finds no bytes gets the end of the stream. Go: TCPConn.CloseRead
    std::expected<void, error> close_read() const;
    /// Ends writing: the peer gets the end of the stream after what was written.
    /// Go: TCPConn.CloseWrite
    std::expected<void, error> close_write() const;

    /// Returns our own address, also after a close. Go: Conn.LocalAddr
    [[nodiscard]] address local_addr() const { return fd_->local_addr(); }
    /// Returns the peer's address, also after a close. Go: Conn.RemoteAddr
    [[nodiscard]] address remote_addr() const { return fd_->remote_addr(); }

    /// Sets the deadline of all calls, those that wait and those to come, until it is set again.
    /// Go: Conn.SetDeadline
    std::expected<void, error> set_deadline(deadline when) const;
    /// Sets the deadline of reads only. Go: Conn.SetReadDeadline
    /// \param present the current time, if the caller knows it already
    std::expected<void, error>
    set_read_deadline(deadline when, deadline present = std::chrono::steady_clock::now()) const;
    /// Sets the deadline of writes only. A write with timeout sets it, too.
    /// Go: Conn.SetWriteDeadline
    std::expected<void, error> set_write_deadline(deadline when) const;

    /// Makes the kernel probe a peer that is silent: after `idle` and then every `idle`, nine
    /// times; then the connection is reset. 0 switches it off. Go: TCPConn.SetKeepAliveConfig
    std::expected<void, error> set_keep_alive(std::chrono::seconds idle) const;
    /// Makes small writes go out at once (the default), or be collected. Go: TCPConn.SetNoDelay
    std::expected<void, error> set_no_delay(bool on) const;

    /// Returns the socket, for what this class does not offer.
    [[nodiscard]] const fd_ref& socket() const { return fd_; }

private:
    template <typename Use>
    std::expected<void, error> call(std::string_view op, const Use& what) const;
    fd_ref fd_;
};

} // namespace stage5::net
