/// \file
/// Top-down: into the poller, deadlines, close, and what each read asks of TCP.

#include "fd.hpp"

#include "op_error.hpp"
#include "scheduler.hpp"
#include "trace.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <new>

namespace stage5 {

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

std::expected<fd_ref, syscall_error> fd::open(unique_fd socket, const address& peer, bool asks) {
    address local;
    ::getsockname(socket.get(), &local.any, &local.length);
    auto& poll = scheduler::current().poll();
    const auto pd = poll.add(socket.get());
    if (!pd) return std::unexpected(pd.error());
    const int on = 1;
    if (!asks) asks = ::setsockopt(socket.get(), IPPROTO_TCP, TCP_INQ, &on, sizeof on) == 0;
    try {
        names who(local, peer); // before the socket is moved: it must be ours when that fails
        return fd_ref(new fd(std::move(socket), **pd, std::move(who), asks));
    } catch (const std::bad_alloc&) {
        poll.unblock(**pd);
        poll.remove(**pd);
        return std::unexpected(syscall_error{"new", ENOMEM});
    }
}

fd::~fd() {
    close();
}

bool fd::set_deadline(side s, nanotime when, nanotime present) {
    if (!mutex_.add_reference()) return false;
    scheduler::current().poll().set_deadline(*pd_, s, when, present);
    leave(mutex_.drop_reference());
    return true;
}

bool fd::close() {
    if (!mutex_.close()) return false;
    scheduler::current().poll().unblock(*pd_);
    leave(mutex_.drop_reference());
    return true;
}

/// The last one out closes. Out of the poller first, then the number: not before, or somebody
/// else's descriptor with the same number would get what a call of ours does.
void fd::leave(bool last) {
    if (!last) return;
    scheduler::current().poll().remove(*pd_);
    trace::event("close", {.fd = get()});
    socket_.reset();
    mutex_.gone();
}

/// recv, and whether it has taken all there is. A short count alone does not tell: a read also
/// stops at urgent data, and ends before an end of file that came along (Go issue 8891 was such a
/// hang). TCP counts what is left, the end of file as one more; a Unix socket is always asked.
std::expected<std::size_t, syscall_error> fd::receive(std::span<char> buffer) {
    iovec into{buffer.data(), buffer.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control;
    msghdr message{};
    message.msg_iov = &into;
    message.msg_iovlen = 1;
    while (true) {
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const auto n = asks_ ? trace::recvmsg(get(), &message, 0)
                             : trace::read(get(), buffer.data(), buffer.size());
        if (n >= 0) {
            int left = 1;
            const cmsghdr* const header = asks_ ? CMSG_FIRSTHDR(&message) : nullptr;
            if (header != nullptr) std::memcpy(&left, CMSG_DATA(header), sizeof left);
            drained_ = left == 0;
            return static_cast<std::size_t>(n);
        }
        if (errno != EINTR) return std::unexpected(syscall_error{"read", errno});
    }
}

} // namespace stage5
