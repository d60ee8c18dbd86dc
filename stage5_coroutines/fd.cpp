/// \file
/// Top-down: into the poller, deadlines, close, and reading once.

#include "fd.hpp"

#include "op_error.hpp"
#include "scheduler.hpp"
#include "trace.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <new>

namespace stage5 {
namespace {

/// A read moves at most this much. The kernel has a bound of its own, at which a read comes back
/// short although something is left. Go: maxRW.
constexpr std::size_t most_bytes = std::size_t{1} << 30;

bool is_tcp(int socket) {
    int protocol = 0;
    socklen_t size = sizeof protocol;
    ::getsockopt(socket, SOL_SOCKET, SO_PROTOCOL, &protocol, &size);
    return protocol == IPPROTO_TCP;
}

} // namespace

/// Go: convertErr.
io_error from(poll_status status) {
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
        names who(local, peer); // before the socket is moved: it must be ours when that fails
        return fd_ref(new fd(std::move(socket), **pd, std::move(who)));
    } catch (const std::bad_alloc&) {
        poll.unblock(**pd);
        poll.remove(**pd);
        return std::unexpected(syscall_error{"new", ENOMEM});
    }
}

fd::fd(unique_fd socket, poll_desc& pd, names who)
    : socket_(std::move(socket)), is_tcp_(is_tcp(socket_.get())),
      scheduler_(scheduler::current().number()), pd_(&pd), names_(std::move(who)) {}

/// \return nullptr if the scheduler is gone, and with it the poller and *pd_
netpoll* fd::poll() const {
    return scheduler::poll_of(scheduler_);
}

fd::~fd() {
    close();
}

bool fd::set_deadline(side s, nanotime when, nanotime present) {
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

/// Closes the descriptor when the last call has left: first in the poller, then its number.
/// Otherwise the kernel could reuse the number, and a call of ours would act on another socket.
void fd::leave(bool last) {
    if (!last) return;
    if (netpoll* const all = poll()) all->remove(*pd_);
    trace::event("close", {.fd = get()});
    socket_.reset();
    mutex_.gone();
}

/// Reads once, and records whether the read was short. TCP fills the buffer as far as it can, so a
/// short read has emptied the receive queue, unless it stopped at urgent data or in front of a FIN
/// (which made programs hang in Go issue 8891). The poller announces both: see cuts_reads(). A Unix
/// socket also stops between messages, and the poller does not announce that.
std::expected<std::size_t, syscall_error> fd::receive(std::span<char> buffer) {
    const std::size_t size = std::min(buffer.size(), most_bytes);
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
