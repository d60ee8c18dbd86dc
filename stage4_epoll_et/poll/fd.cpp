/// \file
/// The calls, then the steps that they share, then closing.

#include "fd.hpp"

#include "../syscall/trace.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace stage4 {
namespace {

/// One system call moves at most this much. The kernel has a limit of its own, a little below 2
/// GiB, at which a read is short although bytes are left. Go: maxRW.
constexpr std::size_t max_bytes = std::size_t{1} << 30;

/// Returns the bit of a direction in fd::parked_.
std::uint8_t bit(direction s) {
    return static_cast<std::uint8_t>(1U << static_cast<unsigned>(s));
}

/// Converts what the poll_desc says into the error of a call. Go: convertErr.
io_error to_io_error(poll_status status) {
    using reason = io_error::reason;
    switch (status) {
    case poll_status::closing:
        return {reason::net_closing};
    case poll_status::timed_out:
        return {reason::deadline_exceeded};
    case poll_status::not_pollable:
        return {reason::not_pollable};
    case poll_status::already_waiting:
        return {reason::already_waiting};
    case poll_status::parked:
    case poll_status::ready:
        break;
    }
    return {reason::pending};
}

std::unexpected<io_error> failed(const syscall_error& error) {
    return std::unexpected(io_error{io_error::reason::failed, error});
}

bool is_tcp(int socket) {
    int protocol = 0;
    socklen_t size = sizeof protocol;
    ::getsockopt(socket, SOL_SOCKET, SO_PROTOCOL, &protocol, &size);
    return protocol == IPPROTO_TCP;
}

} // namespace

std::string io_error::message() const {
    switch (why) {
    case reason::pending:
        return "operation pending";
    case reason::net_closing:
        return "use of closed network connection";
    case reason::deadline_exceeded:
        return "i/o timeout";
    case reason::not_pollable:
        return "not pollable";
    case reason::already_waiting:
        return "another call waits";
    case reason::failed:
        break;
    }
    return call.message();
}

std::expected<fd, syscall_error> fd::open(netpoll& poll, unique_fd socket) {
    const auto pd = poll.add(socket.get());
    if (!pd) return std::unexpected(pd.error());
    return fd(poll, **pd, std::move(socket));
}

fd::fd(netpoll& poll, poll_desc& pd, unique_fd socket)
    : socket_(std::move(socket)), is_tcp_(is_tcp(socket_.get())), poll_(&poll), pd_(&pd) {}

fd::fd(fd&& other) noexcept
    : socket_(std::move(other.socket_)), is_tcp_(other.is_tcp_), drained_(other.drained_),
      poll_(other.poll_), pd_(std::exchange(other.pd_, nullptr)) {}

// [read]
std::expected<std::size_t, io_error> fd::read(std::span<char> buffer, waiter& w) {
    const auto entered = enter(direction::read);
    if (!entered) return std::unexpected(entered.error());
    if (buffer.empty()) return 0;
    // Go always tries first, and many of its reads get EAGAIN. Here, after a read that has emptied
    // the receive queue, the next one waits first. An event that has come since then is in the
    // state word and ends the wait at once; check() keeps it, where prepare() would discard it. If
    // the stream's end or urgent data comes only now, its event ends the wait as well.
    bool skip_try = drained_ && !pd_->stops_short();
    const auto status = skip_try ? pd_->check(direction::read) : pd_->prepare(direction::read);
    if (status != poll_status::ready) return std::unexpected(to_io_error(status));
    while (true) {
        if (!skip_try) {
            const auto n = receive(buffer);
            if (n) return *n;
            if (!would_block(n.error())) return failed(n.error());
        }
        const auto waited = wait(direction::read, w);
        if (!waited) return std::unexpected(waited.error());
        skip_try = false;
    }
}
// [read]

/// Reads once, and records in drained_ whether the read has emptied the receive queue. TCP fills
/// the buffer as far as it can, so a short read has emptied the queue, unless it stopped at urgent
/// data or in front of a FIN. The poller announces both, see stops_short(). A program that
/// takes each short read for proof may hang (Go issue 8891). A read of a Unix socket may also stop
/// between two messages, which the poller does not announce. So there each read begins with a try.
std::expected<std::size_t, syscall_error> fd::receive(std::span<char> buffer) {
    buffer = buffer.first(std::min(buffer.size(), max_bytes));
    const auto n = stage4::read(get(), buffer);
    if (n) drained_ = is_tcp_ && *n < buffer.size();
    return n;
}

// [write]
std::expected<void, io_error> fd::write(std::span<const char> bytes, std::size_t& written,
                                        waiter& w) {
    const auto entered = enter(direction::write);
    if (!entered) return entered;
    const auto status = pd_->prepare(direction::write);
    if (status != poll_status::ready) return std::unexpected(to_io_error(status));
    while (written < bytes.size()) {
        const auto piece = bytes.subspan(written, std::min(bytes.size() - written, max_bytes));
        const auto n = stage4::write(get(), piece);
        if (!n) return failed(n.error());
        written += *n;
        if (*n != 0) continue; // if that was not all, the next write returns an error, or 0: EAGAIN
        const auto waited = wait(direction::write, w);
        if (!waited) return waited;
    }
    return {};
}
// [write]

std::expected<fd, io_error> fd::accept(waiter& w) {
    const auto entered = enter(direction::read);
    if (!entered) return std::unexpected(entered.error());
    const auto status = pd_->prepare(direction::read);
    if (status != poll_status::ready) return std::unexpected(to_io_error(status));
    while (true) {
        auto client = stage4::accept(get());
        if (client) {
            auto opened = open(*poll_, std::move(client->fd));
            if (opened) return std::move(*opened);
            return failed(opened.error()); // only the new connection is closed
        }
        if (!would_block(client.error())) return failed(client.error());
        const auto waited = wait(direction::read, w);
        if (!waited) return std::unexpected(waited.error());
    }
}

// [connect]
std::expected<void, io_error> fd::connect(const address& to, waiter& w) {
    const auto entered = enter(direction::write);
    if (!entered) return entered;
    if (!std::exchange(connecting_, true)) {
        if (trace::connect(get(), &to.any, to.length) == 0) return {};
        if (errno != EINPROGRESS && errno != EINTR) return failed({"connect", errno});
    }
    while (true) {
        // No prepare(): it would discard the event that says that the connection is made, and no
        // system call follows that would find this out.
        const auto waited = wait(direction::write, w);
        if (!waited) return waited;
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(get(), SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) return failed({"connect", error});
        // Writable and without an error, but perhaps not connected: the event may be from before
        // connect(), since epoll reports a new socket as writable, too (Go issue 19289).
        address peer;
        if (::getpeername(get(), &peer.any, &peer.length) == 0) return {};
    }
}
// [connect]

/// Begins a call: the first time, and again after its waiter has been woken. \return net_closing if
/// the fd was closed meanwhile; then the last pending call frees the descriptor here
std::expected<void, io_error> fd::enter(direction s) {
    if (pd_ != nullptr && pd_->has_waiter(s))
        return std::unexpected(io_error{io_error::reason::already_waiting});
    parked_ = static_cast<std::uint8_t>(parked_ & ~bit(s));
    if (!closing_) return {};
    if (parked_ == 0) destroy();
    return std::unexpected(io_error{io_error::reason::net_closing});
}

/// Waits for an event. \return success if the call must try again; otherwise the reason to return:
/// `pending` if `w` is parked, or a deadline or close
std::expected<void, io_error> fd::wait(direction s, waiter& w) {
    // Before block(): once `w` is parked, it may be woken and make its call again.
    parked_ = static_cast<std::uint8_t>(parked_ | bit(s));
    trace::event("park", {.fd = get(), .waiter = &w});
    const auto status = pd_->block(s, w);
    if (status == poll_status::parked) return std::unexpected(to_io_error(status));
    // An event, a deadline or close came first.
    trace::event("not parked", {.fd = get(), .waiter = &w});
    parked_ = static_cast<std::uint8_t>(parked_ & ~bit(s));
    if (status == poll_status::ready) return {};
    return std::unexpected(to_io_error(status));
}

void fd::set_deadline(direction s, nanotime when, nanotime present) {
    if (!closing_) poll_->set_deadline(*pd_, s, when, present);
}

void fd::shutdown_write() const {
    if (!closing_) ::shutdown(get(), SHUT_WR);
}

void fd::close() {
    if (closing_ || pd_ == nullptr) return;
    closing_ = true;
    poll_->unblock(*pd_);
    if (parked_ == 0) destroy();
}

fd::~fd() {
    close();
    destroy(); // even if calls are pending: close() has woken their waiters
}

/// Unregisters the descriptor, then closes it. To be called after the last call has returned:
/// otherwise the kernel could give the number to another socket, and a call would act on that one.
void fd::destroy() {
    if (pd_ == nullptr) return;
    poll_->remove(*std::exchange(pd_, nullptr));
    trace::event("close", {.fd = get()});
    socket_.reset();
}

} // namespace stage4
