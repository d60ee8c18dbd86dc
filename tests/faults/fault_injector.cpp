/// \file
/// To be preloaded (LD_PRELOAD): lets system calls of an unchanged program fail or fall short, as
/// the environment's FAULTS says (fault_script.hpp). How often each rule has struck is counted in
/// the file that FAULTS_COUNTS names, a 64-bit number a rule.
///
/// It lies as the kernel would tell the truth, or a server would be blamed for what can't happen:
///
///  - Only what was accepted is hit by recv, send and epoll_ctl.
///  - EAGAIN is for descriptors that don't block, and another edge follows: bytes that the kernel
///    has not shown yet are announced when it shows them.
///  - An error of a connection is told once. After that, reading finds the end and writing EPIPE;
///    and the peer gets a reset when it is closed.

#include "faults/fault_verdict.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/select.h>

using namespace faults;

extern "C" {

ssize_t recv(int fd, void* buffer, size_t size, int flags) {
    static const auto real = next<decltype(::recv)>("recv");
    ssize_t result = 0;
    const auto allowed = size == 0 ? 0 : allow(call::recv, fd, size, result);
    return allowed == 0 && size != 0 ? result : real(fd, buffer, allowed, flags);
}

ssize_t recvmsg(int fd, msghdr* message, int flags) {
    static const auto real = next<decltype(::recvmsg)>("recvmsg");
    ssize_t result = 0;
    msghdr changed = *message;
    iovec first{};
    if (!allow(call::recv, fd, changed, first, result)) return result;
    result = real(fd, &changed, flags);
    message->msg_controllen = changed.msg_controllen;
    message->msg_flags = changed.msg_flags;
    message->msg_namelen = changed.msg_namelen;
    return result;
}

ssize_t send(int fd, const void* buffer, size_t size, int flags) {
    static const auto real = next<decltype(::send)>("send");
    ssize_t result = 0;
    const auto allowed = size == 0 ? 0 : allow(call::send, fd, size, result);
    return allowed == 0 && size != 0 ? result : real(fd, buffer, allowed, flags);
}

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
    static const auto real = next<decltype(::sendmsg)>("sendmsg");
    ssize_t result = 0;
    msghdr changed = *message;
    iovec first{};
    if (!allow(call::send, fd, changed, first, result)) return result;
    return real(fd, &changed, flags);
}

int accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
    static const auto real = next<decltype(::accept4)>("accept4");
    // Asking in vain is no turn: the script counts clients.
    pollfd waiting{fd, POLLIN, 0};
    const bool blocks = !does_not_block(fd);
    const int ready = next<decltype(::poll)>("poll")(&waiting, 1, blocks ? -1 : 0);
    const auto found = ready <= 0 || waiting.revents != POLLIN
                           ? verdict{}
                           : judge(call::accept4, [&](int fault) {
                                 return is_errno(fault) && (fault != EAGAIN || !blocks);
                             });
    if (found.fault == EAGAIN) announce_again(fd);
    if (found.fault != 0) return fail(found.fault);
    const int client = real(fd, address, length, flags);
    if (auto* const about = find(client)) {
        about->victim = ++all().accepted % all().script.every == 0;
        about->dead = false;
        about->poller = -1;
        about->accepted = true;
    }
    return client;
}

int close(int fd) {
    static const auto real = next<decltype(::close)>("close");
    if (auto* const about = find(fd)) {
        about->accepted = about->victim = about->dead = false;
        about->poller = -1;
    }
    return real(fd);
}

int epoll_ctl(int poller, int operation, int fd, epoll_event* event) noexcept {
    static const auto real = next<decltype(::epoll_ctl)>("epoll_ctl");
    auto* const about = find(fd);
    if (operation == EPOLL_CTL_ADD && about != nullptr) {
        if (about->accepted) {
            const auto found = judge(call::epoll_ctl, is_errno);
            if (found.fault != 0) return fail(found.fault);
        }
        about->events = event->events;
        about->data = event->data.u64;
        about->poller = (event->events & EPOLLET) != 0 ? poller : -1;
    }
    return real(poller, operation, fd, event);
}

int epoll_wait(int poller, epoll_event* events, int most, int timeout) {
    static const auto real = next<decltype(::epoll_wait)>("epoll_wait");
    if (epoll_fails(most)) return -1;
    return with_a_ghost(real(poller, events, most, timeout), events, most);
}

int epoll_pwait2(int poller, epoll_event* events, int most, const timespec* timeout,
                 const sigset_t* signals) {
    static const auto real = next<decltype(::epoll_pwait2)>("epoll_pwait2");
    const auto found = judge(call::epoll_pwait2, is_errno);
    if (found.fault != 0) return fail(found.fault);
    if (epoll_fails(most)) return -1;
    return with_a_ghost(real(poller, events, most, timeout, signals), events, most);
}

int poll(pollfd* list, nfds_t count, int timeout) {
    static const auto real = next<decltype(::poll)>("poll");
    const auto found = judge(call::poll, [&](int fault) { return is_errno(fault) || count > 0; });
    if (is_errno(found.fault)) return fail(found.fault);
    int ready = real(list, count, found.fault != 0 ? 0 : timeout);
    if (found.fault == 0 || ready < 0) return ready;
    auto& ghost = list[found.random % count];
    if (ghost.revents == 0 && ghost.events != 0) ++ready;
    ghost.revents = static_cast<short>(ghost.revents | ghost.events);
    return ready;
}

int select(int count, fd_set* readers, fd_set* writers, fd_set* others, timeval* timeout) {
    static const auto real = next<decltype(::select)>("select");
    const auto found = judge(call::select, is_errno);
    if (found.fault != 0) return fail(found.fault);
    return real(count, readers, writers, others, timeout);
}

int socket(int domain, int type, int protocol) noexcept {
    static const auto real = next<decltype(::socket)>("socket");
    const auto found = judge(call::socket, is_errno);
    return found.fault != 0 ? fail(found.fault) : real(domain, type, protocol);
}

int connect(int fd, const sockaddr* address, socklen_t length) {
    static const auto real = next<decltype(::connect)>("connect");
    const auto found = judge(call::connect, is_errno);
    return found.fault != 0 ? fail(found.fault) : real(fd, address, length);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*),
                   void* argument) noexcept {
    static const auto real = next<decltype(::pthread_create)>("pthread_create");
    const auto found = judge(call::pthread_create, is_errno);
    return found.fault != 0 ? found.fault : real(thread, attributes, body, argument);
}

} // extern "C"
