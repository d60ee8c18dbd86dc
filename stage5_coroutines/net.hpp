#pragma once
/// \file
/// Go's package net, as far as a stream needs it: what the articles' programs call. A listener
/// and a connection are handles, as Go's are pointers: copies mean the same socket, and the last
/// one that goes away closes it.

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

/// What went wrong, and with whom. Go: net.OpError behind the error interface.
class error {
public:
    /// \param done how many bytes a write has written before it
    error(op_error what, io_error why, std::size_t done = 0)
        : details_(std::make_unique<details>(details{std::move(what), why, done})) {}
    /// Copies what it says; may throw std::bad_alloc.
    error(const error& other) : details_(std::make_unique<details>(*other.details_)) {}
    error(error&&) noexcept = default; ///< what was moved from may only be assigned to
    /// Says what `other` does.
    error& operator=(error other) noexcept {
        std::swap(details_, other.details_);
        return *this;
    }
    ~error() = default; ///< nobody has to have looked at it

    /// "read tcp 127.0.0.1:8080->127.0.0.1:51312: i/o timeout". Go: Error.
    [[nodiscard]] std::string message() const { return what().message(); }
    /// The same in its parts. Go: the fields of OpError
    [[nodiscard]] const op_error& what() const { return details_->what; }
    /// Whether it was a deadline: trying again with a later one may succeed. Go: net.Error.Timeout.
    [[nodiscard]] bool is_timeout() const { return is(io_error::reason::deadline_exceeded); }
    /// Whether we closed it ourselves. Go: errors.Is(err, net.ErrClosed).
    [[nodiscard]] bool is_closed() const { return is(io_error::reason::net_closing); }
    /// errno, or 0 if it was no system call that failed.
    [[nodiscard]] int number() const { return details_->why.number; }
    /// How many bytes a write has written before it. Go: the n beside the err.
    [[nodiscard]] std::size_t done() const { return details_->done; }

private:
    struct details {
        op_error what;
        io_error why;
        std::size_t done;
    };
    [[nodiscard]] bool is(io_error::reason why) const { return details_->why.why == why; }
    std::unique_ptr<details> details_; ///< so that what does not fail stays small
};

/// How large the buffer is that a read lends.
inline constexpr std::uint32_t lent_size = 64 * 1024;

/// A point in time; deadline{} is none, one in the past is at once.
using deadline = time_point;

using stage5::after; ///< for a deadline: the present and a span

class conn;

/// An error of a call on a connection or a listener. \param done bytes written before it
error failure(const fd& of, std::string_view op, io_error why, std::size_t done);
/// The same for what is wrong above the socket, in words.
error failure(const fd& of, std::string_view op, std::string why);

/// A call of fd's whose errors say whose they are, and whose accepted fds are connections.
template <typename Call>
class named : public Call {
    static constexpr bool accepts = std::is_same_v<Call, accept_call>;

public:
    using Call::Call;
    awaiting<named> operator co_await() && { return awaiting<named>(*this); } ///< runs the call
    /// What awaiting it gives: what the call gives, or a connection.
    using value = std::conditional_t<accepts, conn, typename Call::value>;
    /// \return or the error, with the operation and both addresses. Go: conn.Read and its like
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

/// A stream connection. Thread-safe; calls of one kind from several coroutines queue up.
/// Go: net.Conn, TCPConn, UnixConn.
class conn {
public:
    conn() noexcept = default; ///< nothing; only to be assigned to
    /// Shares it. \param socket connected, in the poller. Go: newTCPConn
    explicit conn(fd_ref socket) noexcept : fd_(std::move(socket)) {}

    /// Reads what there is, at least a byte; 0 is the end of the stream. Go: Conn.Read
    [[nodiscard]] named<read_call> read(std::span<char> into) const {
        return named<read_call>(*fd_, into);
    }
    /// The same into a buffer of the scheduler's, which is ours until we await anything but a
    /// write of it: so a connection that waits has none. An empty span is the end of the stream.
    /// \param at_most up to lent_size
    [[nodiscard]] named<borrowing_read_call> read(std::uint32_t at_most = lent_size) const {
        return named<borrowing_read_call>(*fd_, at_most);
    }
    /// Writes all of it, or fails. The bytes must stay where they are until it has ended.
    /// Go: Conn.Write
    /// \param patience how long the peer may take nothing; 0 is for ever. It uses the write
    /// deadline.
    /// (The parameters are references because the arguments of an awaited call are kept in the
    /// coroutine's frame, unless they are variables.)
    [[nodiscard]] named<write_call> write(const std::span<const char>& bytes,
                                          const std::chrono::nanoseconds& patience = {}) const {
        return named<write_call>(*fd_, bytes, patience);
    }
    /// Several buffers as one. Go: Buffers.WriteTo
    [[nodiscard]] named<write_call> writev(buffers bytes,
                                           std::chrono::nanoseconds patience = {}) const {
        return named<write_call>(*fd_, bytes, patience);
    }

    /// Ends all calls, now and later, with is_closed(). Awaited, it returns when they have left;
    /// \return an error if it was closed before. Go: Conn.Close
    [[nodiscard]] named<close_call> close() const { return named<close_call>(*fd_); }
    /// The same for who does not want to await it.
    void evict() const { fd_->close(); }
    /// Reads end; what the peer sends is dropped. Go: TCPConn.CloseRead
    std::expected<void, error> close_read() const;
    /// The peer gets the end of the stream after what was written. Go: TCPConn.CloseWrite
    std::expected<void, error> close_write() const;

    /// Our end of it, also when it is closed. Go: Conn.LocalAddr
    [[nodiscard]] address local_addr() const { return fd_->local_addr(); }
    /// The other end, also when it is gone. Go: Conn.RemoteAddr
    [[nodiscard]] address remote_addr() const { return fd_->remote_addr(); }

    /// For all calls in progress and to come, until it is set anew. Go: Conn.SetDeadline
    std::expected<void, error> set_deadline(deadline when) const;
    /// For reads alone. Go: Conn.SetReadDeadline
    /// \param present what time it is, for those who have looked already
    std::expected<void, error>
    set_read_deadline(deadline when, deadline present = std::chrono::steady_clock::now()) const;
    /// For writes alone; a write with patience sets it anew. Go: Conn.SetWriteDeadline
    std::expected<void, error> set_write_deadline(deadline when) const;

    /// Probes after so much silence and so often, nine of them; 0 switches it off.
    /// Go: TCPConn.SetKeepAliveConfig
    std::expected<void, error> set_keep_alive(std::chrono::seconds idle) const;
    /// Whether small writes go out at once; on from the start. Go: TCPConn.SetNoDelay
    std::expected<void, error> set_no_delay(bool on) const;

    /// The socket below, for what this class has no word for.
    [[nodiscard]] const fd_ref& socket() const { return fd_; }

private:
    template <typename Use>
    std::expected<void, error> use(std::string_view op, const Use& what) const;
    fd_ref fd_;
};

/// What is listened at. Thread-safe; several coroutines may accept. Go: net.Listener.
class listener {
public:
    /// Takes what stage5::listen() has made into the scheduler's poller.
    static std::expected<listener, error> adopt(stage5::listener made);

    /// The next connection. Go: Listener.Accept
    [[nodiscard]] named<accept_call> accept() const { return named<accept_call>(*state_->socket); }
    /// Ends all accepting; a Unix socket's file goes away. Go: Listener.Close
    [[nodiscard]] named<close_call> close() const;
    void evict() const; ///< the same for who does not want to await it

    /// With the port that the kernel chose. Go: Listener.Addr
    [[nodiscard]] const address& addr() const { return state_->local; }
    /// "127.0.0.1:43121", "unix:/run/echo.sock": as a command line takes it.
    [[nodiscard]] std::string name() const;
    /// For accept(). Go: TCPListener.SetDeadline
    std::expected<void, error> set_deadline(deadline when) const;

private:
    struct state {
        fd_ref socket;
        unix_path path; ///< behind the socket, so that it goes first
        std::string network;
        address local;
    };
    explicit listener(std::shared_ptr<state> all) noexcept : state_(std::move(all)) {}
    std::shared_ptr<state> state_;
};

/// Listens at an address of a network, "tcp", "tcp4", "tcp6" or "unix". Looking up a name blocks.
/// Go: net.Listen
std::expected<listener, error> listen(std::string_view network, std::string_view address);

} // namespace stage5::net
