#pragma once
/// \file
/// The calls of fd that may wait: each tries, gets EAGAIN, waits, and tries again. Go: FD.Read,
/// Write, Accept, WaitWrite.
///
/// A call is an object in the frame of the coroutine that awaits it. It is made and awaited in one
/// expression. While it waits, a worker that would run the coroutine runs the call in its place, so
/// the coroutine is resumed only when there is a result.
///
///     step         when                       what it does
///     begin()      in the await               takes the direction (fd_mutex), tries once
///     suspend()    if that gave no result     queues for the direction, or parks (poll_desc)
///     on_wake()    when woken                 tries again; parks again, or resumes the coroutine
///     result()     when there is a result     gives the direction back

#include "../runtime/scheduler.hpp"
#include "../runtime/task.hpp"
#include "fd.hpp"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string_view>
#include <utility>

namespace stage5 {

/// What all calls have in common. \tparam Call has `bool attempt()`, which makes the system call
/// once: true if there is a result, also an error; false if it was EAGAIN
template <typename Call>
class fd_call {
public:
    [[nodiscard]] const fd& on() const { return *on_; } ///< the fd that is called
    /// How many bytes a write has written before its error; 0 for other calls.
    [[nodiscard]] static std::size_t done() { return 0; }

    fd_call& operator=(const fd_call&) = delete; ///< a call is awaited where it is made
    /// Tries once, which is all that most calls need. \return true if there is a result
    bool begin();
    /// Waits: first until calls before it in the same direction have left, then for the descriptor.
    /// \return false if there is a result after all. If true, another worker may already have
    /// resumed `who`, and this object may be gone
    bool suspend(goroutine& who);

protected:
    /// Gives the direction back, if an exception has kept result() from doing so.
    ~fd_call() { leave(); }

    /// Gives the direction back, to the next call in the queue if there is one. For result().
    void leave();
    /// Makes errno `number` the result, unless it is EAGAIN. \return true if there is a result
    bool ended_by(int number);
    /// True for a read of no bytes, which has its result at once. Go issue 15735
    [[nodiscard]] static bool is_empty_read() { return false; }
    /// True if a try would be wasted, because nothing is left before the next readiness event.
    [[nodiscard]] static bool skips_try() { return false; }
    /// Called when the deadline has expired. True if the call has set a later one, and continues.
    [[nodiscard]] static bool extends_deadline() { return false; }
    /// True if the receive queue of the socket is known to be empty. (This class asks for the calls
    /// that are derived from it, because they are no friends of fd.)
    [[nodiscard]] bool is_drained() const { return on_->drained_ && !on_->pd_->stops_short(); }
    /// Reads once, without waiting. \return how many bytes, or the error, which may be EAGAIN
    std::expected<std::size_t, syscall_error> receive(std::span<char> into) {
        return on_->receive(into);
    }

    /// How the call has failed. For result().
    [[nodiscard]] io_error error() const { return {why_, number_}; }
    [[nodiscard]] bool failed() const { return why_ != io_error::reason::none; } ///< has an error
    /// Makes an error the result.
    void fail(io_error why) {
        why_ = why.why;
        number_ = why.number;
    }

    fd* on_;                    ///< the coroutine that awaits this call has an fd_ref to it
    int number_ = 0;            ///< errno after a failure; before, the derived call may use it
    io_error::reason why_{};    ///< not `none`: the call has failed. (An io_error would be larger)
    bool entered_ = false;      ///< has the direction, which leave() gives back
    bool yields_first_ = false; ///< yields before the first try
    direction direction_;       ///< the direction

    /// Tries, unless a try would be wasted. Requires the direction. \return true if there is a
    /// result
    bool first_try();

private:
    friend Call; // so that only Call can be derived
    fd_call(fd& on, direction s) : on_(&on), direction_(s) {}
    fd_call(const fd_call&) = default;

    bool wait(goroutine& who);
    poll_status prepare(bool skips);
    static void on_wake(runnable& who);
    Call& self() { return static_cast<Call&>(*this); }
};

/// Reads at least one byte into a buffer of the caller, but 0 at the stream's end. Go: FD.Read.
class read_call : public fd_call<read_call> {
public:
    static constexpr std::string_view op = "read"; ///< the operation, in errors
    using value = std::size_t;                     ///< what awaiting it gives: how many bytes
    /// \param into must stay where it is until the call has been awaited
    read_call(fd& on, std::span<char> into) : fd_call(on, direction::read), into_(into) {}
    awaiting<read_call> operator co_await() && { return awaiting<read_call>(*this); } ///< reads
    std::expected<value, io_error> result(); ///< \return 0 at the end of the stream

private:
    friend fd_call;
    [[nodiscard]] bool is_empty_read() const { return into_.empty(); }
    [[nodiscard]] bool skips_try() const { return is_drained(); }
    bool attempt();

    std::span<char> into_;
    std::size_t count_ = 0;
};

/// Reads like read_call, but into the worker's buffer, which the coroutine may use until its next
/// await. So no connection has a buffer while it waits.
class borrowing_read_call : public fd_call<borrowing_read_call> {
public:
    static constexpr std::string_view op = "read"; ///< the operation, in errors
    using value = std::span<const char>;           ///< what was read, in the worker's buffer
    /// \param at_most how many bytes; scheduler::buffer() is another limit
    borrowing_read_call(fd& on, std::uint32_t at_most) : fd_call(on, direction::read) {
        number_ = static_cast<int>(at_most); // attempt() puts there how many it has read
    }
    std::expected<value, io_error> result(); ///< \return an empty span at the end of the stream

private:
    friend fd_call;
    [[nodiscard]] bool is_empty_read() const { return number_ == 0; }
    [[nodiscard]] bool skips_try() const { return is_drained(); }
    [[nodiscard]] std::span<char> lent() const;
    bool attempt();
};

/// Accepts a connection and registers it with the poller. Go: FD.Accept.
class accept_call : public fd_call<accept_call> {
public:
    static constexpr std::string_view op = "accept";               ///< the operation, in errors
    using value = fd_ref;                                          ///< the connection, registered
    explicit accept_call(fd& on) : fd_call(on, direction::read) {} ///< \param on a listener
    std::expected<value, io_error> result(); ///< \return the connection, or the error

private:
    friend fd_call;
    bool attempt();

    fd_ref client_;
};

/// Waits for one readiness event: a socket that was connecting is connected then, or has failed.
/// Go: FD.WaitWrite.
class writable_call : public fd_call<writable_call> {
public:
    explicit writable_call(fd& on) : fd_call(on, direction::write) {}          ///< after connect()
    awaiting<writable_call> operator co_await() && { return awaiting(*this); } ///< waits
    io_error result(); ///< \return no error after an event; or a deadline, a close

private:
    friend fd_call;
    bool skips_try() { return !std::exchange(waited_, true); }
    static bool attempt() { return true; }

    bool waited_ = false;
};

/// Closes an fd when it is made; awaiting it waits until all calls have left and the descriptor is
/// closed. Go: FD.Close.
class close_call {
public:
    static constexpr std::string_view op = "close"; ///< the operation, in errors
    using value = void;                             ///< nothing
    /// Closes. \param which the awaiting coroutine has an fd_ref to it
    explicit close_call(fd& which) : on_(&which), first_(which.close()) {}

    bool begin() const noexcept { return !first_; } ///< only the first close waits
    /// Waits until the last call has left. Go: runtime_Semacquire(&fd.csema)
    bool suspend(goroutine& who) { return on_->mutex_.wait_until_destroyed(who); }
    /// \return net_closing if it was closed before
    std::expected<void, io_error> result() const {
        if (first_) return {};
        return std::unexpected(io_error{io_error::reason::net_closing});
    }
    [[nodiscard]] const fd& on() const { return *on_; }   ///< the fd that is closed
    [[nodiscard]] static std::size_t done() { return 0; } ///< it writes no bytes

private:
    fd* on_;
    bool first_;
};

} // namespace stage5
