#pragma once
/// \file
/// A descriptor whose calls never fail for want of readiness: they try, meet EAGAIN, wait, and
/// try again. "如何实现异步非阻塞"; Go: internal/poll.FD (fd_unix.go, fd_poll_runtime.go) and
/// net.netFD. The loop is turned inside out here, because what waits is a callback: a call that
/// can't go on parks its waiter and returns `pending`, and whoever is woken calls it again.

#include "address.hpp"
#include "netpoll.hpp"
#include "socket.hpp"

#include <cstddef>
#include <expected>
#include <span>
#include <string>

namespace stage4 {

/// Why a call of fd did not do all that it was asked. Go: internal/poll's errors.
struct io_error {
    /// What came in between.
    enum class reason : std::uint8_t {
        pending,           ///< the waiter was parked: call again when it has been woken
        net_closing,       ///< Go: ErrNetClosing
        deadline_exceeded, ///< Go: ErrDeadlineExceeded
        not_pollable,      ///< Go: ErrNotPollable
        already_waiting,   ///< two calls on one side
        failed,            ///< `call` says it
    };
    reason why = reason::failed; ///< which of them it was
    syscall_error call{};        ///< its name and errno, where one has failed

    /// Whether it is no error at all: the waiter is parked.
    [[nodiscard]] bool is_pending() const { return why == reason::pending; }
    /// Go: net.Error.Timeout
    [[nodiscard]] bool is_timeout() const { return why == reason::deadline_exceeded; }
    /// Go's text for it: "use of closed network connection", "i/o timeout".
    [[nodiscard]] std::string message() const;
};

/// A stream socket in a netpoll. To be used by one thread; one call a side may be pending, and
/// the object must outlive it. Nothing is buffered and no buffer is held while a call waits.
class fd {
public:
    /// Takes a non-blocking socket into the poller. Go: netFD.init.
    static std::expected<fd, syscall_error> open(netpoll& poll, unique_fd socket);
    fd(fd&& other) noexcept;      ///< of which no call may be pending; `other` is closed then
    fd& operator=(fd&&) = delete; ///< a call that is pending would lose what it waits for
    ~fd(); ///< as close(), and the number is free: who was woken must not call

    /// Reads what there is; 0 is the end of the stream. Go: FD.Read.
    std::expected<std::size_t, io_error> read(std::span<char> buffer, waiter& w);
    /// Writes all of `bytes`. \param written counts across calls and errors: pass it unchanged
    /// when calling again. Go: FD.Write.
    std::expected<void, io_error> write(std::span<const char> bytes, std::size_t& written,
                                        waiter& w);
    /// Go: FD.Accept. \return a connection that is in the same netpoll
    std::expected<fd, io_error> accept(waiter& w);
    /// Go: netFD.connect. To be called on a fresh socket.
    std::expected<void, io_error> connect(const address& to, waiter& w);

    /// The read or the write deadline: a point in time, or 0 for none. A pending call that it
    /// catches is woken. Go: FD.SetReadDeadline, FD.SetWriteDeadline.
    void set_deadline(side s, nanotime when, nanotime present = now());
    /// Ends the sending side. Go: FD.Shutdown.
    void shutdown_write() const;
    /// Wakes both sides; their calls return net_closing. The number stays taken until they have.
    /// Go: FD.Close.
    void close();

    /// The number, for getsockname and the like; -1 once it is closed.
    [[nodiscard]] int get() const { return socket_.get(); }

private:
    fd(netpoll& poll, poll_desc& pd, unique_fd socket);
    std::expected<void, io_error> enter(side s);
    std::expected<void, io_error> wait(side s, waiter& w);
    std::expected<std::size_t, syscall_error> receive(std::span<char> buffer);
    void destroy();

    unique_fd socket_;
    std::uint8_t parked_ = 0; ///< a bit for each side with a pending call: they hold the number
    bool closing_ = false;
    bool is_tcp_;          ///< its short reads prove something, see receive()
    bool drained_ = false; ///< the last read was short
    bool connecting_ = false;
    netpoll* poll_;
    poll_desc* pd_;
};

} // namespace stage4
