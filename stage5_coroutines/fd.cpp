/// \file
/// Top-down: who may enter, how it ends, and what each read asks of TCP.

#include "fd.hpp"

#include "scheduler.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace stage5 {
namespace {

/// Held for a few instructions at a time, so that whoever finds it taken only has to try again.
class spin_guard {
public:
    explicit spin_guard(std::atomic_flag& flag) : flag_(flag) {
        while (flag_.test_and_set(std::memory_order_acquire)) {}
    }
    ~spin_guard() { flag_.clear(std::memory_order_release); }
    spin_guard(const spin_guard&) = delete;
    spin_guard& operator=(const spin_guard&) = delete;

private:
    std::atomic_flag& flag_;
};

} // namespace

std::expected<std::shared_ptr<fd>, syscall_error> fd::open(unique_fd socket, bool asks) {
    const auto pd = scheduler::current().poll().add(socket.get());
    if (!pd) return std::unexpected(pd.error());
    const int on = 1;
    if (!asks) asks = ::setsockopt(socket.get(), IPPROTO_TCP, TCP_INQ, &on, sizeof on) == 0;
    return std::make_shared<fd>(std::move(socket), **pd, asks);
}

fd::fd(unique_fd socket, poll_desc& pd, bool asks)
    : socket_(std::move(socket)), asks_(asks), pd_(&pd) {}

fd::~fd() {
    close();
}

fd::entry fd::enter(fd_call& call, bool may_queue) {
    const spin_guard guard(lock_);
    if (closing_) return entry::closed;
    auto& side = sides_[static_cast<std::size_t>(call.side_)];
    if (side.inside == nullptr) {
        side.inside = &call;
        call.entered_ = true;
        ++calls_;
        return entry::in;
    }
    if (may_queue) {
        fd_call** last = &side.first;
        while (*last != nullptr) last = &(*last)->behind_;
        *last = &call;
    }
    return entry::queued;
}

void fd::leave(fd_call& call) {
    fd_call* next = nullptr;
    {
        const spin_guard guard(lock_);
        auto& side = sides_[static_cast<std::size_t>(call.side_)];
        next = side.first;
        side.inside = next;
        if (next != nullptr) {
            side.first = std::exchange(next->behind_, nullptr);
            next->entered_ = true;
            ++calls_;
        }
    }
    if (next != nullptr) ready(*next);
    end_call();
}

bool fd::begin_call() {
    const spin_guard guard(lock_);
    if (closing_) return false;
    ++calls_;
    return true;
}

/// The last one out closes. Out of the poller first, then the number: not before, or somebody
/// else's descriptor with the same number would get what a call of ours does.
void fd::end_call() {
    {
        const spin_guard guard(lock_);
        if (--calls_ != 0 || !closing_) return;
    }
    scheduler::current().poll().remove(*pd_);
    socket_.reset();
}

void fd::set_deadline(side s, nanotime when, nanotime present) {
    if (!begin_call()) return;
    scheduler::current().poll().set_deadline(*pd_, s, when, present);
    end_call();
}

void fd::shutdown_write() {
    if (!begin_call()) return;
    ::shutdown(get(), SHUT_WR);
    end_call();
}

void fd::close() {
    std::array<fd_call*, 2> queued{};
    {
        const spin_guard guard(lock_);
        if (std::exchange(closing_, true)) return;
        ++calls_;
        for (std::size_t i = 0; i < 2; ++i) queued[i] = std::exchange(sides_[i].first, nullptr);
    }
    scheduler::current().poll().unblock(*pd_);
    for (fd_call* call : queued)
        while (call != nullptr) {
            call->error_.why = io_error::reason::net_closing;
            ready(*std::exchange(call, call->behind_));
        }
    end_call();
}

/// recv, and whether it has taken all there is. A short count alone does not tell: a read also
/// stops at urgent data, and ends before an end of file that came along (Go issue 8891 was such a
/// hang). TCP counts what is left, the end of file as one more; a Unix socket is always asked.
std::expected<std::size_t, syscall_error> fd::receive(std::span<char> buffer) {
    if (!asks_) return stage5::read(get(), buffer);
    iovec into{buffer.data(), buffer.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control;
    msghdr message{};
    message.msg_iov = &into;
    message.msg_iovlen = 1;
    while (true) {
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const auto n = ::recvmsg(get(), &message, 0);
        if (n >= 0) {
            int left = 1;
            const cmsghdr* const header = CMSG_FIRSTHDR(&message);
            if (header != nullptr) std::memcpy(&left, CMSG_DATA(header), sizeof left);
            drained_ = left == 0;
            return static_cast<std::size_t>(n);
        }
        if (errno != EINTR) return std::unexpected(syscall_error{"read", errno});
    }
}

} // namespace stage5
