#pragma once
/// \file
/// The calls of fd that wait: each tries, gets EAGAIN, waits, and tries again. A call is made and
/// awaited in one expression, as Go's calls are. It lives in the frame of the coroutine that awaits
/// it, and takes that coroutine's turns: the coroutine continues only when there is a result.
/// Go: FD.Read, Write, Accept, WaitWrite.

#include "fd.hpp"
#include "scheduler.hpp"
#include "task.hpp"

#include <chrono>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace stage5 {

/// What all calls have in common. \tparam Call says what a try is: `bool attempt()`, false where
/// the call would have slept in stage 1
template <typename Call>
class fd_call {
public:
    [[nodiscard]] const fd& on() const { return *on_; } ///< whose call it is
    /// How much it has done, if it fails in the middle of it.
    [[nodiscard]] static std::size_t done() { return 0; }

    fd_call& operator=(const fd_call&) = delete; ///< a call is awaited where it is made
    /// Tries once. Most calls need no more. \return true if there is a result
    bool begin();
    /// Waits: first for the calls before it on the same side, and then for the descriptor.
    /// \return false if there is a result after all. If it returns true, `who` may already run
    bool suspend(goroutine& who);

protected:
    /// Lets the next call in, if an exception has kept result() from doing so.
    ~fd_call() { leave(); }

    /// Lets the next call in. For result().
    void leave();
    /// \return whether that is a result: EAGAIN is none
    bool ended_by(int number);
    /// True for a read of no bytes, which has its result at once. Go issue 15735
    [[nodiscard]] static bool asks_for_nothing() { return false; }
    /// Whether there is nothing to be had before the next edge, and a try would be wasted.
    [[nodiscard]] static bool skips_try() { return false; }
    /// Whether a deadline that has come does not count, because the call has just moved it.
    [[nodiscard]] static bool goes_on() { return false; }
    /// fd's friend is this class, not those that are made from it.
    [[nodiscard]] bool is_drained() const { return on_->drained_ && !on_->pd_->cuts_reads(); }
    /// Without waiting. \return or EAGAIN and the like
    std::expected<std::size_t, syscall_error> receive(std::span<char> into) {
        return on_->receive(into);
    }

    /// How it has failed, if so. For result().
    [[nodiscard]] io_error error() const { return {why_, number_}; }
    [[nodiscard]] bool failed() const { return why_ != io_error::reason::none; } ///< whether it has
    /// Its result is that it has failed.
    void fail(io_error why) {
        why_ = why.why;
        number_ = why.number;
    }

    fd* on_;                 ///< held by an fd_ref of who awaits
    int number_ = 0;         ///< once it has failed errno, and before that for the call to use
    io_error::reason why_{}; ///< it has failed; an io_error of its own would be a word more
    bool entered_ = false;   ///< has its side: leave() has something to give back
    bool gives_way_ = false; ///< before it has tried anything
    side side_;              ///< which line, and which word of the poll_desc

    /// The first try, once the call has its side. \return true if there is a result
    bool first_try();

private:
    friend Call; // nobody else is made from it
    fd_call(fd& on, side s) : on_(&on), side_(s) {}
    fd_call(const fd_call&) = default;

    bool wait(goroutine& who);
    poll_status prepare(bool skips);
    static void take_turn(runnable& who);
    Call& self() { return static_cast<Call&>(*this); }
};

/// Go: FD.Read. Into a buffer of the caller's; 0 is the end of the stream.
class read_call : public fd_call<read_call> {
public:
    static constexpr std::string_view op = "read"; ///< as errors call it
    using value = std::size_t;                     ///< what awaiting it gives: how many bytes
    /// \param into has to stay where it is until the call has been awaited
    read_call(fd& on, std::span<char> into) : fd_call(on, side::read), into_(into) {}
    awaiting<read_call> operator co_await() && { return awaiting<read_call>(*this); } ///< reads
    std::expected<value, io_error> result(); ///< \return 0 at the end of the stream

private:
    friend fd_call;
    [[nodiscard]] bool asks_for_nothing() const { return into_.empty(); }
    [[nodiscard]] bool skips_try() const { return is_drained(); }
    bool attempt();

    std::span<char> into_;
    std::size_t count_ = 0;
};

/// The same with the worker's buffer, which is the coroutine's until it awaits anything: no
/// connection keeps a buffer while it waits.
class borrowing_read_call : public fd_call<borrowing_read_call> {
public:
    static constexpr std::string_view op = "read"; ///< as errors call it
    using value = std::span<const char>;           ///< what was read, where it was lent
    /// \param at_most bytes, and never more than scheduler::buffer() has
    borrowing_read_call(fd& on, std::uint32_t at_most) : fd_call(on, side::read) {
        number_ = static_cast<int>(at_most); // and then, how many there were
    }
    std::expected<value, io_error> result(); ///< \return an empty span at the end of the stream

private:
    friend fd_call;
    [[nodiscard]] bool asks_for_nothing() const { return number_ == 0; }
    [[nodiscard]] bool skips_try() const { return is_drained(); }
    [[nodiscard]] std::span<char> lent() const;
    bool attempt();
};

/// Go: FD.Accept.
class accept_call : public fd_call<accept_call> {
public:
    static constexpr std::string_view op = "accept";          ///< as errors call it
    using value = fd_ref;                                     ///< the connection, in the poller
    explicit accept_call(fd& on) : fd_call(on, side::read) {} ///< \param on a listener
    std::expected<value, io_error> result(); ///< \return accept4's errno, if it failed

private:
    friend fd_call;
    bool attempt();

    fd_ref client_;
};

/// Waits until a socket that connects has done so, or not: one edge. Go: FD.WaitWrite.
class writable_call : public fd_call<writable_call> {
public:
    explicit writable_call(fd& on) : fd_call(on, side::write) {}               ///< after connect()
    awaiting<writable_call> operator co_await() && { return awaiting(*this); } ///< waits
    io_error result(); ///< \return none: SO_ERROR says how it went; or a deadline, a close

private:
    friend fd_call;
    bool skips_try() { return !std::exchange(waited_, true); }
    static bool attempt() { return true; }

    bool waited_ = false;
};

/// Several buffers that are written as one. Go: net.Buffers
using buffers = std::span<const std::span<const char>>;

/// The rest of a write that the send buffer had no room for.
class slow_write : public fd_call<slow_write> {
public:
    /// \param written of `bytes` have been sent. Throws std::bad_alloc
    slow_write(fd& on, buffers bytes, std::size_t written, std::chrono::nanoseconds patience);
    slow_write(const slow_write&) = delete; ///< it is awaited where it is made
    ~slow_write();                          ///< resets the connection if it was not awaited
    bool begin();                           ///< continues what write_call began
    std::expected<void, io_error> result(); ///< takes its deadline back
    [[nodiscard]] std::size_t done() const { return written_; } ///< with what was sent at once

private:
    friend fd_call;
    friend class write_call;
    bool attempt();
    bool goes_on();
    void expect_room();
    void keep_what_was_lent();
    void consume(std::size_t count);

    std::vector<std::span<const char>> rest_;
    std::size_t first_ = 0; ///< the first of them that is not empty
    std::vector<char> kept_;
    std::size_t written_;
    std::chrono::nanoseconds patience_;
    std::size_t expected_at_ = 0; ///< how much was written when room was last expected
    int unacknowledged_ = -1;     ///< and how much of that the peer had not acknowledged
};

/// Go: FD.Write, FD.Writev. It sends at once, when it is made, what the send buffer has room for,
/// and awaiting it sends the rest. It is awaited where it is made, so that this differs from a
/// write that begins in the await in one thing only: its arguments need no place in the coroutine's
/// frame, 32 bytes of an idle connection. A write that ends without having been awaited, because an
/// exception came in between, lets the next one in.
class write_call {
public:
    static constexpr std::string_view op = "write"; ///< as errors call it
    using value = void;                             ///< all of it or an error: done() has the rest
    /// \param patience once it has to wait, the peer must take something that often, or the call
    /// ends with deadline_exceeded; 0: it need not
    write_call(fd& on, std::span<const char> bytes, std::chrono::nanoseconds patience = {});
    write_call(fd& on, buffers bytes, std::chrono::nanoseconds patience = {}); ///< Go: FD.Writev

    /// \return true if everything was sent at once, and the coroutine need not yield
    bool begin() { return rest_ == nullptr ? !scheduler::is_turn_over() : rest_->begin(); }
    /// Waits for room, or for the next turn: a client that floods us is not the only one.
    bool suspend(goroutine& who) {
        if (rest_ != nullptr) return rest_->suspend(who);
        scheduler::current().put_last(who);
        return true;
    }
    /// \return why the rest was not sent, if it was not
    std::expected<value, io_error> result() {
        return rest_ == nullptr ? std::expected<value, io_error>() : rest_->result();
    }
    [[nodiscard]] const fd& on() const { return rest_->on(); } ///< after an error
    /// How many bytes were written, after an error.
    [[nodiscard]] std::size_t done() const { return rest_->done(); }

private:
    void begin(fd& on, buffers bytes, std::chrono::nanoseconds patience);
    std::unique_ptr<slow_write> rest_;
};

/// Go: FD.Close with its wait: awaits that all calls have left and the number is free.
class close_call {
public:
    static constexpr std::string_view op = "close"; ///< as errors call it
    using value = void;                             ///< nothing to be had
    /// Closes: what is awaited is only the others' leaving.
    explicit close_call(fd& which) : on_(&which), first_(which.close()) {}

    bool begin() const noexcept { return !first_; } ///< only the first one waits
    /// Waits for the last call to leave. Go: runtime_Semacquire(&fd.csema)
    bool suspend(goroutine& who) { return on_->mutex_.wait_until_gone(who); }
    /// \return net_closing if it was closed before
    std::expected<void, io_error> result() const {
        if (first_) return {};
        return std::unexpected(io_error{io_error::reason::net_closing});
    }
    [[nodiscard]] const fd& on() const { return *on_; }   ///< which one
    [[nodiscard]] static std::size_t done() { return 0; } ///< no bytes

private:
    fd* on_;
    bool first_;
};

} // namespace stage5
