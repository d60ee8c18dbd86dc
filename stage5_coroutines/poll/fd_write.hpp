#pragma once
/// \file
/// The write: sends at once what the send buffer has room for, and the rest when there is room
/// again. Go: FD.Write, FD.Writev.

#include "fd_call.hpp"

#include <chrono>
#include <cstddef>
#include <expected>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace stage5 {

/// Several buffers to be written one after the other, in one call. Go: net.Buffers
using buffers = std::span<const std::span<const char>>;

/// The rest of a write, for which the send buffer had no room.
class slow_write : public fd_call<slow_write> {
public:
    /// \param written how many of the bytes have been sent. Throws std::bad_alloc
    slow_write(fd& on, buffers bytes, std::size_t written, std::chrono::nanoseconds timeout);
    slow_write(const slow_write&) = delete; ///< it is awaited where it is made
    ~slow_write();                          ///< resets the connection if it was not awaited
    bool begin();                           ///< continues what write_call began
    std::expected<void, io_error> result(); ///< removes the deadline that it has set
    [[nodiscard]] std::size_t done() const { return written_; } ///< includes what was sent at once

private:
    friend fd_call;
    friend class write_call;
    bool attempt();
    bool extends_deadline();
    void set_write_deadline();
    void copy_lent_bytes();
    void consume(std::size_t count);

    std::vector<std::span<const char>> rest_;
    std::size_t first_ = 0; ///< index in rest_ of the first buffer that is not empty
    std::vector<char> copied_;
    std::size_t written_;
    std::chrono::nanoseconds timeout_;
    std::size_t expected_at_ = 0; ///< written_ when the deadline was set
    int unacknowledged_ = -1;     ///< how much the peer had not acknowledged then; -1: no deadline
};

/// Writes all of its bytes. Making it sends what the send buffer has room for; awaiting it sends
/// the rest. Go: FD.Write, FD.Writev.
///
/// Why is not everything sent by the await? Then the coroutine's frame would have to keep the
/// arguments, 32 bytes for each connection. There is no other difference, because the call is
/// awaited where it is made. (If an exception comes in between, the destructor lets the next call
/// in.)
class write_call {
public:
    static constexpr std::string_view op = "write"; ///< the operation, in errors
    using value = void; ///< nothing: all was written, or there is an error
    /// \param timeout if the call has to wait, how long the peer may take no bytes before the call
    /// ends with deadline_exceeded; 0: no limit
    write_call(fd& on, std::span<const char> bytes, std::chrono::nanoseconds timeout = {});
    write_call(fd& on, buffers bytes, std::chrono::nanoseconds timeout = {}); ///< Go: FD.Writev

    /// \return true if all was sent at once, and the coroutine need not yield
    bool begin() { return rest_ == nullptr ? !scheduler::should_yield() : rest_->begin(); }
    /// Waits for room in the send buffer. If all has been sent, only yields: a client that sends
    /// without a pause must not starve the others.
    bool suspend(goroutine& who) {
        if (rest_ != nullptr) return rest_->suspend(who);
        scheduler::current().put_last(who);
        return true;
    }
    /// \return the error, if the rest was not sent
    std::expected<value, io_error> result() {
        return rest_ == nullptr ? std::expected<value, io_error>() : rest_->result();
    }
    [[nodiscard]] const fd& on() const { return rest_->on(); } ///< only after an error
    /// How many bytes were written. Only after an error.
    [[nodiscard]] std::size_t done() const { return rest_->done(); }

private:
    void begin(fd& on, buffers bytes, std::chrono::nanoseconds timeout);
    std::unique_ptr<slow_write> rest_;
};

} // namespace stage5
