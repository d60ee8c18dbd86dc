/// \file
/// How an fd is opened, gets deadlines, is closed, and reads once, top-down.

#include "fd.hpp"

#include "../runtime/scheduler.hpp"
#include "../syscall/syscall_error.hpp"
#include "../syscall/trace.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <new>

namespace stage5 {
namespace {

bool is_tcp(int socket) {
    int protocol = 0;
    socklen_t size = sizeof protocol;
    ::getsockopt(socket, SOL_SOCKET, SO_PROTOCOL, &protocol, &size);
    return protocol == IPPROTO_TCP;
}

} // namespace

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
    case poll_status::parked:
    case poll_status::ready:
        break;
    }
    return {reason::none};
}

std::string io_error::message(std::string_view call) const {
    switch (why) {
    case reason::none:
        return "no error";
    case reason::net_closing:
        return "use of closed network connection";
    case reason::deadline_exceeded:
        return "i/o timeout";
    case reason::not_pollable:
        return "not pollable";
    case reason::failed:
        break;
    }
    return syscall_error{call, number}.message();
}

std::expected<fd_ref, syscall_error> fd::open(unique_fd socket, const address& peer) {
    address local;
    ::getsockname(socket.get(), &local.any, &local.length);
    auto& poll = scheduler::current().poll();
    const auto pd = poll.add(socket.get());
    if (!pd) return std::unexpected(pd.error());
    try {
        address_pair who(local, peer); // may throw, so before the move: the socket must stay open
        return fd_ref(new fd(std::move(socket), **pd, std::move(who)));
    } catch (const std::bad_alloc&) {
        poll.unblock(**pd);
        poll.remove(**pd);
        return std::unexpected(syscall_error{"new", ENOMEM});
    }
}

fd::fd(unique_fd socket, poll_desc& pd, address_pair who)
    : socket_(std::move(socket)), is_tcp_(is_tcp(socket_.get())),
      scheduler_(scheduler::current().number()), pd_(&pd), addresses_(std::move(who)) {}

/// Returns the poller, or nullptr if the scheduler is gone, and with it the poller and *pd_.
netpoll* fd::poll() const {
    return scheduler::poll_of(scheduler_);
}

fd::~fd() {
    close();
}

bool fd::set_deadline(direction s, nanotime when, nanotime present) {
    if (!mutex_.add_reference()) return false;
    netpoll* const all = poll();
    if (all != nullptr) all->set_deadline(*pd_, s, when, present);
    leave(mutex_.drop_reference());
    return all != nullptr;
}

bool fd::close() {
    if (!mutex_.close()) return false;
    if (netpoll* const all = poll()) all->unblock(*pd_);
    leave(mutex_.drop_reference());
    return true;
}

/// Ends a call. If it was the last one of a closed fd, removes the descriptor from the poller and
/// then closes it: in this order, because a number that is closed may be another socket's.
/// \param last the caller has dropped the last reference of a closed fd
void fd::leave(bool last) {
    if (!last) return;
    if (netpoll* const all = poll()) all->remove(*pd_);
    trace::event("close", {.fd = get()});
    socket_.reset();
    mutex_.set_destroyed();
}

/// Reads once. Records in drained_ whether the receive queue is now known to be empty. TCP fills
/// the buffer as far as it can, so a short read has emptied the queue, unless it has stopped at
/// urgent data or in front of a FIN. The poller reports these two: see stops_short().
/// (Without that, a read that waits next may hang: dotnet/runtime issue 38747; Go issue 8891 was
/// about hangs too.) A read of a Unix socket may also stop between messages, which the poller does
/// not report.
std::expected<std::size_t, syscall_error> fd::receive(std::span<char> buffer) {
    const std::size_t size = std::min(buffer.size(), max_bytes);
    while (true) {
        const auto n = is_tcp_ ? trace::recv(get(), buffer.data(), size, 0)
                               : trace::read(get(), buffer.data(), size);
        if (n >= 0) {
            drained_ = is_tcp_ && static_cast<std::size_t>(n) < size;
            return static_cast<std::size_t>(n);
        }
        if (errno != EINTR) return std::unexpected(syscall_error{"read", errno});
    }
}

} // namespace stage5
