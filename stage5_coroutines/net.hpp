#pragma once
/// \file
/// Go's package net, as far as stream sockets need it: what the articles' programs call.
///
/// A listener and a connection are handles, like Go's pointers. Copies refer to the same socket,
/// and the last copy that is destroyed closes it.

#include "fd_call.hpp"
#include "op_error.hpp"
#include "scheduler.hpp"
#include "socket.hpp"

#include <chrono>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace stage5::net {

/// Which operation has failed, on which addresses, and why. Go: net.OpError, as an error.
class error {
public:
    /// \param done how many bytes a write had written before
    error(op_error what, io_error why, std::size_t done = 0)
        : details_(std::make_unique<details>(details{std::move(what), why, done})) {}
    /// Copies the details; may throw std::bad_alloc.
    error(const error& other) : details_(std::make_unique<details>(*other.details_)) {}
    error(error&&) noexcept = default; ///< a moved-from error may only be assigned to
    /// Takes over the details of `other`.
    error& operator=(error other) noexcept {
        std::swap(details_, other.details_);
        return *this;
    }
    ~error() = default; ///< an error may be ignored

    /// "read tcp 127.0.0.1:8080->127.0.0.1:51312: i/o timeout". Go: Error.
    [[nodiscard]] std::string message() const { return what().message(); }
    /// The operation, the addresses and the cause, one by one. Go: the fields of OpError
    [[nodiscard]] const op_error& what() const { return details_->what; }
    /// True if a deadline has expired: trying again with a later one may succeed.
    /// Go: net.Error.Timeout.
    [[nodiscard]] bool is_timeout() const { return is(io_error::reason::deadline_exceeded); }
    /// True if the connection or listener was closed by this program. Go: errors.Is(err,
    /// net.ErrClosed).
    [[nodiscard]] bool is_closed() const { return is(io_error::reason::net_closing); }
    /// errno of the system call that has failed, or 0 if the cause is another.
    [[nodiscard]] int number() const { return details_->why.number; }
    /// How many bytes a write had written before it failed. Go: the n that comes with the err.
    [[nodiscard]] std::size_t done() const { return details_->done; }

private:
    struct details {
        op_error what;
        io_error why;
        std::size_t done;
    };
    [[nodiscard]] bool is(io_error::reason why) const { return details_->why.why == why; }
    std::unique_ptr<details> details_; ///< allocated, so that a success needs little room
};

/// The size of the buffer that a read lends, in bytes.
inline constexpr std::uint32_t lent_size = 64 * 1024;

/// A point in time. deadline{} stands for no deadline; one in the past expires at once.
using deadline = time_point;

using stage5::after; ///< makes a deadline: now plus a span

class conn;

/// Makes the error of a call of a connection or listener. \param done bytes written before
error failure(const fd& of, std::string_view op, io_error why, std::size_t done);
/// Makes an error whose cause is no system call. \param why in words
error failure(const fd& of, std::string_view op, std::string why);

/// Adds to a call of fd what package net adds: errors name the operation and the addresses, and
/// what was accepted is a connection.
template <typename Call>
class named : public Call {
    static constexpr bool accepts = std::is_same_v<Call, accept_call>;

public:
    using Call::Call;
    awaiting<named> operator co_await() && { return awaiting<named>(*this); } ///< runs the call
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
    [[nodiscard]] named<read_call> read(std::span<char> into) const {
        return named<read_call>(*fd_, into);
    }
    /// Reads into the worker's buffer, so that a connection that waits has no buffer. Awaiting it
    /// gives the bytes, none at the end of the stream. They are valid until the coroutine awaits
    /// something else. That may be a write of them: before it waits, it copies them.
    /// \param at_most how many bytes, up to lent_size
    [[nodiscard]] named<borrowing_read_call> read(std::uint32_t at_most = lent_size) const {
        return named<borrowing_read_call>(*fd_, at_most);
    }
    /// Writes all of the bytes, or fails. They must stay where they are until then. Go: Conn.Write
    ///
    /// The parameters are references, to save memory: a temporary argument of an awaited call is
    /// kept in the coroutine's frame, a variable is not.
    /// \param patience if the peer takes no bytes for this long, the write fails; 0: no limit. It
    /// sets the write deadline.
    [[nodiscard]] named<write_call> write(const std::span<const char>& bytes,
                                          const std::chrono::nanoseconds& patience = {}) const {
        return named<write_call>(*fd_, bytes, patience);
    }
    /// Writes several buffers in one call, one after the other. Go: Buffers.WriteTo
    [[nodiscard]] named<write_call> writev(buffers bytes,
                                           std::chrono::nanoseconds patience = {}) const {
        return named<write_call>(*fd_, bytes, patience);
    }

    /// Closes. All calls, those that wait and those to come, fail with is_closed(). Awaiting it
    /// waits until they have left. \return an error if it was closed before. Go: Conn.Close
    [[nodiscard]] named<close_call> close() const { return named<close_call>(*fd_); }
    /// Closes like close(), but does not wait for calls in progress.
    void evict() const { fd_->close(); }
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
    /// Sets the deadline of writes only. A write with patience sets it, too.
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
    std::expected<void, error> use(std::string_view op, const Use& what) const;
    fd_ref fd_;
};

/// A listening socket. Thread-safe; several coroutines may accept. Go: net.Listener.
class listener {
public:
    /// Registers what stage5::listen() has made with the scheduler's poller.
    static std::expected<listener, error> adopt(stage5::listener made);

    /// Waits for the next connection. Go: Listener.Accept
    [[nodiscard]] named<accept_call> accept() const { return named<accept_call>(*state_->socket); }
    /// Closes, so that all calls of accept() fail, and removes a Unix socket's file.
    /// Go: Listener.Close
    [[nodiscard]] named<close_call> close() const;
    void evict() const; ///< like close(), but does not wait for calls in progress

    /// Returns the address, with the port that the kernel chose. Go: Listener.Addr
    [[nodiscard]] const address& addr() const { return state_->local; }
    /// Returns the address as a command line takes it: "127.0.0.1:43121", "unix:/run/echo.sock".
    [[nodiscard]] std::string name() const;
    /// Sets the deadline of accept(). Go: TCPListener.SetDeadline
    std::expected<void, error> set_deadline(deadline when) const;

private:
    struct state {
        fd_ref socket;
        unix_path path; ///< declared after the socket, so that the file is removed first
        std::string network;
        address local;
    };
    explicit listener(std::shared_ptr<state> all) noexcept : state_(std::move(all)) {}
    std::shared_ptr<state> state_;
};

/// Listens at an address of a network: "tcp", "tcp4", "tcp6" or "unix". Blocks the thread while it
/// looks up a name. Go: net.Listen
std::expected<listener, error> listen(std::string_view network, std::string_view address);

} // namespace stage5::net
