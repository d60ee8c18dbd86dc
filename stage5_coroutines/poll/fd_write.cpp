/// \file
/// How a write sends in pieces, and keeps what the worker has lent.

#include "fd_write.hpp"

#include "../runtime/time.hpp"
#include "../syscall/socket.hpp"
#include "../syscall/trace.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace stage5 {
namespace {

/// The most buffers in one call: the kernel's UIO_MAXIOV. Go: FD.Writev
constexpr std::size_t max_buffers = 1024;

std::size_t size_of(buffers bytes) {
    std::size_t size = 0;
    for (const auto each : bytes) size += each.size();
    return size;
}

/// Sends as many bytes as there is room for, in one call. \return how many, or errno
std::expected<std::size_t, int> send_some(int fd, std::span<const char> bytes) {
    while (true) {
        const auto n = trace::send(fd, bytes.data(), std::min(bytes.size(), max_bytes),
                                   MSG_NOSIGNAL);
        if (n >= 0) return static_cast<std::size_t>(n);
        if (errno != EINTR) return std::unexpected(errno);
    }
}

/// Sends the same way from several buffers.
std::expected<std::size_t, int> send_some(int fd, buffers from) {
    std::array<iovec, max_buffers> parts;
    std::size_t size = 0;
    std::size_t count = 0;
    for (const auto each : from.first(std::min(from.size(), max_buffers))) {
        const auto part = each.first(std::min(each.size(), max_bytes - size));
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): iovec is for reading, too
        parts[count++] = {const_cast<char*>(part.data()), part.size()};
        size += part.size();
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    while (true) {
        const auto n = trace::sendmsg(fd, &message, MSG_NOSIGNAL);
        if (n >= 0) return static_cast<std::size_t>(n);
        if (errno != EINTR) return std::unexpected(errno);
    }
}

} // namespace

// [write]
write_call::write_call(fd& on, std::span<const char> bytes, std::chrono::nanoseconds timeout) {
    begin(on, {&bytes, 1}, timeout);
}

write_call::write_call(fd& on, buffers bytes, std::chrono::nanoseconds timeout) {
    begin(on, bytes, timeout);
}

void write_call::begin(fd& on, buffers bytes, std::chrono::nanoseconds timeout) {
    const bool entered = on.mutex_.lock(direction::write) == fd_mutex::lock_result::in;
    std::expected<std::size_t, int> n = 0;
    // prepare() would also consume an event, which only a call that is going to wait must do.
    if (entered && on.pd_->check(direction::write) == poll_status::ready) {
        n = bytes.size() == 1 ? send_some(on.get(), bytes[0]) : send_some(on.get(), bytes);
        if (n && *n == size_of(bytes)) return on.leave(on.mutex_.unlock(direction::write));
    }
    try {
        rest_ = std::make_unique<slow_write>(on, bytes, n.value_or(0), timeout);
    } catch (...) { // no memory to keep the rest
        if (entered) {
            reset_at_close(on.get()); // what is written later would follow a gap
            on.leave(on.mutex_.unlock(direction::write));
        }
        throw;
    }
    rest_->entered_ = entered;
    if (!n) rest_->ended_by(n.error());
}
// [write]

slow_write::slow_write(fd& on, buffers bytes, std::size_t written, std::chrono::nanoseconds timeout)
    : fd_call(on, direction::write), rest_(bytes.begin(), bytes.end()), written_(written),
      timeout_(timeout) {
    consume(written);
    copy_lent_bytes();
}

/// If the rest was not sent, makes the connection end with a reset: a later write must not follow a
/// part of a message.
slow_write::~slow_write() {
    if (entered_) reset_at_close(on_->get());
}

/// Continues a write that write_call could not finish. If write_call did not get the direction
/// either, tries to get it first.
bool slow_write::begin() {
    if (!entered_) return fd_call::begin();
    return failed() || first_try();
}

bool slow_write::attempt() {
    while (first_ != rest_.size()) {
        const auto n = send_some(on_->get(), buffers(rest_).subspan(first_));
        if (!n && n.error() == EAGAIN) {
            set_write_deadline();
            return false;
        }
        if (!n) return ended_by(n.error());
        consume(*n);
        written_ += *n;
    }
    return true;
}

/// Sets the deadline until which the peer must take more bytes. Leaves it as it is if nothing has
/// been sent since it was set.
void slow_write::set_write_deadline() {
    if (timeout_.count() == 0 || (written_ == expected_at_ && unacknowledged_ >= 0)) return;
    expected_at_ = written_;
    unacknowledged_ = unacknowledged(on_->get());
    on_->set_deadline(direction::write, to_nanotime(after(timeout_)));
}

/// The deadline has expired: has the peer taken bytes all the same? epoll reports room only when a
/// third of the send buffer is free, so a slow peer may take bytes without an event.
/// \return true if it has; it gets a new deadline
bool slow_write::extends_deadline() {
    if (unacknowledged_ < 0 || unacknowledged(on_->get()) >= unacknowledged_) return false;
    unacknowledged_ = -1;
    set_write_deadline();
    return true;
}

/// Copies what is in the worker's buffer, because the next coroutine uses that buffer as soon as
/// this one waits.
void slow_write::copy_lent_bytes() {
    const auto lent = scheduler::buffer();
    const auto is_lent = [&](std::span<const char> bytes) {
        return bytes.data() >= lent.data() && bytes.data() < lent.data() + lent.size();
    };
    std::size_t size = 0;
    for (const auto each : rest_)
        if (is_lent(each)) size += each.size();
    copied_.reserve(size); // must not move: rest_ points into it
    for (auto& each : rest_) {
        if (!is_lent(each)) continue;
        copied_.insert(copied_.end(), each.begin(), each.end());
        each = {copied_.end() - static_cast<std::ptrdiff_t>(each.size()), each.size()};
    }
}

/// Removes `count` bytes from the front of rest_, and empty buffers after them.
void slow_write::consume(std::size_t count) {
    while (first_ != rest_.size() && count >= rest_[first_].size()) count -= rest_[first_++].size();
    if (first_ != rest_.size()) rest_[first_] = rest_[first_].subspan(count);
}

std::expected<void, io_error> slow_write::result() {
    if (unacknowledged_ >= 0) on_->set_deadline(direction::write, 0); // it was for this write
    leave();
    if (failed()) return std::unexpected(error());
    return {};
}

} // namespace stage5
