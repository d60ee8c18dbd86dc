#pragma once
/// \file
/// A descriptor to be awaited: each call tries, meets EAGAIN, waits, and tries again, and what
/// waits is a coroutine. "如何实现异步非阻塞"; Go: internal/poll.FD (fd_unix.go,
/// fd_poll_runtime.go, fd_mutex.go) and net.netFD.

#include "address.hpp"
#include "netpoll.hpp"
#include "runnable.hpp"
#include "socket.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace stage5 {

/// Why a call of fd did not do all that it was asked. Go: internal/poll's errors.
struct io_error {
    enum class reason : std::uint8_t {
        none,
        net_closing,       ///< Go: ErrNetClosing
        deadline_exceeded, ///< Go: ErrDeadlineExceeded
        not_pollable,      ///< Go: ErrNotPollable
        failed,            ///< `call` says it
    };
    reason why = reason::none;
    syscall_error call{};

    /// Go: net.Error.Timeout
    [[nodiscard]] bool is_timeout() const { return why == reason::deadline_exceeded; }
    [[nodiscard]] std::string message() const;
};

class fd;

/// A call in progress. It lives in the frame of the coroutine that awaits it, and takes its turns
/// itself: the coroutine gets one only when there is a result.
class fd_call : runnable {
public:
    fd_call(const fd_call&) = delete;
    fd_call& operator=(const fd_call&) = delete;

    /// Enters and tries once: most calls need no more.
    bool await_ready();
    bool await_suspend(std::coroutine_handle<> who);

protected:
    /// \param attempt does the system call: false where it would block
    /// \param goes_on whether a deadline that has come does not count, and has been moved
    fd_call(fd& on, side s, bool (*attempt)(fd_call&), bool (*goes_on)(fd_call&) = nullptr)
        : runnable(&take_turn), on_(on), attempt_(attempt), goes_on_(goes_on), side_(s) {}
    ~fd_call() = default;

    /// To be called once by await_resume(): lets the next one in.
    void leave();
    bool fail(const syscall_error& error);

    fd& on_;
    io_error error_;

private:
    friend class fd;
    static void take_turn(runnable& self);
    bool begin();
    bool wait();

    poll_status prepare(bool skips_try);

    bool (*attempt_)(fd_call&);
    bool (*goes_on_)(fd_call&);
    std::coroutine_handle<> who_;
    fd_call* behind_ = nullptr; ///< who comes after us on this side
    side side_;
    bool entered_ = false;
};

/// Go: FD.Read. Gives up to a worker's whole buffer, which is the coroutine's until it awaits
/// anything: no connection keeps a buffer while it waits.
class read_call : public fd_call {
public:
    explicit read_call(fd& on) : fd_call(on, side::read, &attempt) {}
    /// \return what was read, nothing at the end of the stream
    std::expected<std::span<const char>, io_error> await_resume();

private:
    static bool attempt(fd_call& self);
    std::span<const char> got_;
};

/// Go: FD.Write. All of it; what the peer does not take at once is copied, so that `bytes` may be
/// what a read has just lent. Once it has to wait, the peer must take something every `patience`
/// (0: it need not), or the call ends with deadline_exceeded.
class write_call : public fd_call {
public:
    write_call(fd& on, std::span<const char> bytes, std::chrono::nanoseconds patience = {})
        : fd_call(on, side::write, &attempt, &goes_on), rest_(bytes), patience_(patience) {}
    std::expected<void, io_error> await_resume();

private:
    static bool attempt(fd_call& self);
    static bool goes_on(fd_call& self);
    void keep_rest();
    void expect_room();
    std::span<const char> rest_;
    std::chrono::nanoseconds patience_;
    int unacknowledged_ = 0; ///< when room was last expected
    std::unique_ptr<char[]> kept_;
};

/// Go: FD.Accept.
class accept_call : public fd_call {
public:
    explicit accept_call(fd& on) : fd_call(on, side::read, &attempt) {}
    std::expected<std::shared_ptr<fd>, io_error> await_resume();

private:
    static bool attempt(fd_call& self);
    std::shared_ptr<fd> client_;
};

/// A stream socket that coroutines on any thread may use at once. Calls on one side queue up;
/// close() ends all of them, and the number stays taken until they have left. Go: FD, fdMutex.
class fd {
public:
    /// Takes a non-blocking socket into the poller of the scheduler. Go: netFD.init.
    /// \param asks whether TCP_INQ is on already, inherited from the listener
    static std::expected<std::shared_ptr<fd>, syscall_error> open(unique_fd socket,
                                                                  bool asks = false);
    fd(unique_fd socket, poll_desc& pd, bool asks);
    ~fd();

    /// A point in time, or 0 for none. Go: FD.SetReadDeadline, FD.SetWriteDeadline.
    void set_deadline(side s, nanotime when, nanotime present = now());
    /// Ends the sending side. Go: FD.Shutdown.
    void shutdown_write();
    /// Lets all calls return net_closing, now and later. Go: FD.Close, without its wait.
    void close();

    /// The number, for getsockname and the like.
    [[nodiscard]] int get() const { return socket_.get(); }

private:
    friend class fd_call;
    friend class read_call;
    friend class accept_call;
    enum class entry { in, queued, closed };

    /// Who is at it on a side, and who waits behind. Go: the two locks of fdMutex.
    struct turnstile {
        fd_call* inside = nullptr;
        fd_call* first = nullptr;
    };

    entry enter(fd_call& call, bool may_queue);
    void leave(fd_call& call);
    bool begin_call();
    void end_call();
    std::expected<std::size_t, syscall_error> receive(std::span<char> buffer);

    unique_fd socket_;
    std::atomic_flag lock_; ///< protects what follows, for a few instructions at a time
    bool closing_ = false;
    bool asks_ = false;       ///< TCP_INQ: each read says how much it has left behind
    bool drained_ = false;    ///< and the last one has left nothing; of who is inside
    std::uint32_t calls_ = 0; ///< inside, or in one of the small functions: they hold the number
    poll_desc* pd_;
    std::array<turnstile, 2> sides_;
};

} // namespace stage5
