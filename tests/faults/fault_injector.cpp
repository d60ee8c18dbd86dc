/// \file
/// To be preloaded (LD_PRELOAD): lets system calls of an unchanged program fail or fall short, as
/// the environment's FAULTS says (fault_script.hpp). How often each rule has struck is counted in
/// the file that FAULTS_COUNTS names, a 64-bit number a rule.
///
/// It lies as the kernel would tell the truth, or a server would be blamed for what can't happen:
///
///  - Only connections are hit by recv, send and epoll_ctl.
///  - Connecting that is interrupted, or in progress, continues in the kernel.
///  - EAGAIN is for descriptors that don't block. Another readiness event follows it, and a recv
///  that was made
///    to fall short: bytes that the kernel has not shown yet are announced when it shows them.
///  - An error of a connection is reported once. After that, reading finds the end, writing EPIPE;
///    and the peer gets a reset when it is closed.

#include "faults/fault_verdict.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sys/select.h>
#include <unistd.h>

#include <cstring>

using namespace faults;

extern "C" {

/// The C library's own, by the name that nobody comes before: dlsym() may need memory itself.
// NOLINTNEXTLINE(*-reserved-identifier,cert-dcl*,readability-identifier-naming)
void* __libc_malloc(size_t size);

/// operator new calls this malloc as well. Nothing fails while the program starts.
void* malloc(size_t size) {
    if (memory_fails && size >= all().script.least && judge(call::malloc, is_errno).fault != 0) {
        errno = ENOMEM;
        return nullptr;
    }
    return __libc_malloc(size);
}

ssize_t recv(int fd, void* buffer, size_t size, int flags) {
    static const auto real = next<decltype(::recv)>("recv");
    ssize_t result = 0;
    const auto allowed = size == 0 ? 0 : allow(call::recv, fd, size, result);
    return allowed == 0 && size != 0 ? result : real(fd, buffer, allowed, flags);
}

ssize_t read(int fd, void* buffer, size_t size) {
    static const auto real = next<decltype(::read)>("read");
    const auto found = size == sizeof(std::uint64_t) ? judge(call::read, is_errno) : verdict{};
    return found.fault != 0 ? fail(found.fault) : real(fd, buffer, size);
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
    if (ready == 0) return fail(EAGAIN); // who comes right now is a client to be counted, too
    const auto found = ready <= 0 || waiting.revents != POLLIN
                           ? verdict{}
                           : judge(call::accept4, [&](int fault) {
                                 return is_errno(fault) && (fault != EAGAIN || !blocks);
                             });
    if (found.fault == EAGAIN) announce_again(fd);
    if (found.fault != 0) return fail(found.fault);
    const int client = real(fd, address, length, flags);
    begin_life(client);
    return client;
}

int close(int fd) {
    static const auto real = next<decltype(::close)>("close");
    end_life(fd);
    return real(fd);
}

int epoll_ctl(int poller, int operation, int fd, epoll_event* event) noexcept {
    static const auto real = next<decltype(::epoll_ctl)>("epoll_ctl");
    auto* const about = find(fd);
    if (operation == EPOLL_CTL_ADD && about != nullptr) {
        if (about->connection) {
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
    const bool blocks = !does_not_block(fd);
    const auto found = judge(call::connect, [&](int fault) {
        return is_errno(fault) && (fault != EINPROGRESS || !blocks);
    });
    const bool goes_on = found.fault == EINTR || found.fault == EINPROGRESS;
    if (found.fault != 0 && !goes_on) return fail(found.fault);
    if (all().script.connected != 0) begin_life(fd);
    if (!goes_on) return real(fd, address, length);
    const int flags = ::fcntl(fd, F_GETFL);
    ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    const int result = real(fd, address, length);
    ::fcntl(fd, F_SETFL, flags);
    return result != 0 && errno != EINPROGRESS ? result : fail(found.fault);
}

int getsockopt(int fd, int level, int name, void* value, socklen_t* size) noexcept {
    static const auto real = next<decltype(::getsockopt)>("getsockopt");
    const auto found = level == SOL_SOCKET && name == SO_ERROR ? judge(call::getsockopt, is_errno)
                                                               : verdict{};
    if (found.fault == 0) return real(fd, level, name, value, size);
    std::memcpy(value, &found.fault, sizeof found.fault);
    return 0;
}

int getaddrinfo(const char* host, const char* service, const addrinfo* hints, addrinfo** list) {
    static const auto real = next<decltype(::getaddrinfo)>("getaddrinfo");
    const auto found = host == nullptr ? verdict{} : judge(call::getaddrinfo, [](int fault) {
        return fault < fault_eai || fault == fault_forever;
    });
    while (found.fault == fault_forever) ::pause();
    if (found.fault == 0) return real(host, service, hints, list);
    errno = EMFILE; // EAI_SYSTEM says: look there
    return found.fault - fault_eai;
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*),
                   void* argument) noexcept {
    static const auto real = next<decltype(::pthread_create)>("pthread_create");
    const auto found = judge(call::pthread_create, is_errno);
    return found.fault != 0 ? found.fault : real(thread, attributes, body, argument);
}

} // extern "C"
