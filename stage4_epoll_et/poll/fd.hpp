#pragma once
/// \file
/// A socket whose calls wait instead of failing with EAGAIN: try, get EAGAIN, wait, try again. In
/// Go this is a loop in which the goroutine waits. Here a callback waits, so the loop is split: a
/// call that can't continue parks its waiter and returns `pending`. Once the waiter has been woken,
/// the caller makes the same call again. Go: internal/poll.FD (fd_unix.go, fd_poll_runtime.go) and
/// net.netFD. Article: "如何实现异步非阻塞".

#include "../runtime/netpoll.hpp"
#include "../syscall/address.hpp"
#include "../syscall/socket.hpp"

#include <cstddef>
#include <expected>
#include <span>
#include <string>

namespace stage4 {

/// Why a call of fd has not been completed. Go: internal/poll's errors.
struct io_error {
    /// The kind of reason.
    enum class reason : std::uint8_t {
        pending,           ///< no error: the waiter is parked; call again when it has been woken
        net_closing,       ///< the fd has been closed. Go: ErrNetClosing
        deadline_exceeded, ///< the deadline has passed. Go: ErrDeadlineExceeded
        not_pollable,      ///< epoll reports nothing but an error. Go: ErrNotPollable
        already_waiting,   ///< another call is pending in the same direction
        failed,            ///< a system call failed: see `call`
    };
    reason why = reason::failed; ///< the reason
    syscall_error call{};        ///< the system call that failed, and its errno, if one did

    /// Returns true if there was no error, and the waiter is parked.
    [[nodiscard]] bool is_pending() const { return why == reason::pending; }
    /// Returns true if the deadline has passed. Go: net.Error.Timeout
    [[nodiscard]] bool is_timeout() const { return why == reason::deadline_exceeded; }
    /// Returns Go's text for the error: "use of closed network connection", "i/o timeout".
    [[nodiscard]] std::string message() const;
};

/// A stream socket in a netpoll. For one thread. At most one call per direction may be pending. It
/// buffers nothing, and holds no buffer of its caller while a call waits.
class fd {
public:
    /// Registers a non-blocking socket with the poller. \return the fd, or the error of
    /// netpoll::add(). Go: netFD.init.
    static std::expected<fd, syscall_error> open(netpoll& poll, unique_fd socket);
    /// Takes over the socket of `other`, which must have no pending call and is empty afterwards.
    fd(fd&& other) noexcept;
    fd& operator=(fd&&) = delete; ///< A pending call would lose its descriptor.
    /// Closes like close(), but frees the descriptor's number at once, even if calls are pending.
    /// Their waiters are woken, but must not call again.
    ~fd();

    /// Reads what has arrived. \return the number of bytes, 0 at the end of the stream. Go:
    /// FD.Read.
    std::expected<std::size_t, io_error> read(std::span<char> buffer, waiter& w);
    /// Writes all of `bytes`. \param written the number of bytes written so far, 0 at first. Keep
    /// it unchanged between `pending` and the next call. Go: FD.Write.
    std::expected<void, io_error> write(std::span<const char> bytes, std::size_t& written,
                                        waiter& w);
    /// Accepts a connection. \return it, registered with the same netpoll. Go: FD.Accept.
    std::expected<fd, io_error> accept(waiter& w);
    /// Connects the socket, which must be new. Go: netFD.connect.
    std::expected<void, io_error> connect(const address& to, waiter& w);

    /// Sets the read or the write deadline to `when`, a point in time; 0 clears it. When it passes,
    /// a pending call in that direction is woken. Go: FD.SetReadDeadline, FD.SetWriteDeadline.
    void set_deadline(direction s, nanotime when, nanotime present = now());
    /// Ends the sending direction: the peer will read the end of the stream. Go: FD.Shutdown.
    void shutdown_write() const;
    /// Wakes the waiters of pending calls. When they call again, they get net_closing; the last of
    /// them frees the descriptor's number. Without a pending call it is freed at once. Go:
    /// FD.Close.
    void close();

    /// Returns the descriptor's number, for getsockname and the like; -1 once it is freed.
    [[nodiscard]] int get() const { return socket_.get(); }

private:
    fd(netpoll& poll, poll_desc& pd, unique_fd socket);
    std::expected<void, io_error> enter(direction s);
    std::expected<void, io_error> wait(direction s, waiter& w);
    std::expected<std::size_t, syscall_error> receive(std::span<char> buffer);
    void destroy();

    unique_fd socket_;
    std::uint8_t parked_ = 0; ///< a bit per direction: a call is pending, so keep the number
    bool closing_ = false;
    bool is_tcp_;             ///< its short reads prove something, see receive()
    bool drained_ = false;    ///< the last read has emptied the receive queue
    bool connecting_ = false; ///< connect() has made its system call
    netpoll* poll_;
    poll_desc* pd_;
};

} // namespace stage4
