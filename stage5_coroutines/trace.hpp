#pragma once
/// \file
/// `--trace FILE`: what happened, when, on which thread and to whom, as Chrome trace events, which
/// https://ui.perfetto.dev shows. The functions that are named like system calls are these calls,
/// and take a note of them. Nobody asked for a trace: then each is a comparison more.

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <source_location>
#include <string>

namespace stage5::trace {

/// Whether there is a file to write to. Set before there are threads.
inline bool on = false;

/// Empties the file and begins it; the end of the process ends it.
/// \return false if the file can't be opened; the log says why
bool start(const std::string& file);

using clock = std::chrono::steady_clock; ///< the monotonic one
using place = std::source_location;      ///< which line it was

/// Whom it is about; what it does not know is left out.
struct subject {
    int fd = -1;                  ///< the number; may be somebody else's later
    const void* waiter = nullptr; ///< a callback or a coroutine: who parks, is woken, goes on
};

/// A point in time. Thread-safe; so is all of this.
void write_event(const char* what, subject whom, place at);
/// What began then and ends now. \param result shown with errno if it is -1, not if it is nullptr
void write_span(const char* what, subject whom, clock::time_point began, const std::int64_t* result,
                place at);

/// Notes that something has happened.
inline void event(const char* what, subject whom, place at = place::current()) {
    if (on) [[unlikely]]
        write_event(what, whom, at);
}

/// Notes what its scope did: the calls in it show inside it.
class span {
public:
    /// Begins. \param what a literal: it is kept, not copied
    span(const char* what, subject whom, place at = place::current())
        : what_(what), whom_(whom), at_(at) {
        if (on) [[unlikely]]
            began_ = clock::now();
    }
    span(const span&) = delete;            ///< it is its scope's
    span& operator=(const span&) = delete; ///< the same
    /// Ends, and writes it down.
    ~span() {
        if (on) [[unlikely]]
            write_span(what_, whom_, began_, nullptr, at_);
    }

private:
    const char* what_;
    subject whom_;
    place at_;
    clock::time_point began_;
};

/// A call that is noted: apart from those that are not, which must not pay for it.
template <typename Call>
[[gnu::cold, gnu::noinline]] auto call_and_note(const char* name, int fd, place at, Call call) {
    const auto began = clock::now();
    const auto result = call();
    const std::int64_t shown = result;
    write_span(name, {.fd = fd}, began, &shown, at);
    return result;
}

/// Does a system call. \return what it returns; errno is the call's, too
template <typename Call>
auto note(const char* name, int fd, place at, Call call) {
    if (!on) [[likely]]
        return call();
    return call_and_note(name, fd, at, call);
}

///@{
/// The system call of this name, with a note of it. \param at who calls
inline int accept4(int fd, sockaddr* peer, socklen_t* length, int flags,
                   place at = place::current()) {
    return note("accept4", fd, at, [=] { return ::accept4(fd, peer, length, flags); });
}

inline int connect(int fd, const sockaddr* to, socklen_t length, place at = place::current()) {
    return note("connect", fd, at, [=] { return ::connect(fd, to, length); });
}

inline ssize_t read(int fd, void* into, std::size_t size, place at = place::current()) {
    return note("read", fd, at, [=] { return ::read(fd, into, size); });
}

inline ssize_t recv(int fd, void* into, std::size_t size, int flags, place at = place::current()) {
    return note("recv", fd, at, [=] { return ::recv(fd, into, size, flags); });
}

inline ssize_t send(int fd, const void* from, std::size_t size, int flags,
                    place at = place::current()) {
    return note("send", fd, at, [=] { return ::send(fd, from, size, flags); });
}

inline ssize_t sendmsg(int fd, const msghdr* from, int flags, place at = place::current()) {
    return note("sendmsg", fd, at, [=] { return ::sendmsg(fd, from, flags); });
}

inline int poll(pollfd* entries, nfds_t count, int timeout, place at = place::current()) {
    return note("poll", -1, at, [=] { return ::poll(entries, count, timeout); });
}

inline int select(int beyond, fd_set* readers, fd_set* writers, fd_set* others, timeval* timeout,
                  place at = place::current()) {
    return note("select", -1, at,
                [=] { return ::select(beyond, readers, writers, others, timeout); });
}

inline int epoll_ctl(int epoll, int operation, int fd, epoll_event* event,
                     place at = place::current()) {
    const char* const name = operation == EPOLL_CTL_ADD   ? "epoll_ctl ADD"
                             : operation == EPOLL_CTL_MOD ? "epoll_ctl MOD"
                                                          : "epoll_ctl DEL";
    return note(name, fd, at, [=] { return ::epoll_ctl(epoll, operation, fd, event); });
}

inline int epoll_wait(int epoll, epoll_event* events, int most, int timeout,
                      place at = place::current()) {
    return note("epoll_wait", -1, at, [=] { return ::epoll_wait(epoll, events, most, timeout); });
}

inline int epoll_pwait2(int epoll, epoll_event* events, int most, const timespec* timeout,
                        place at = place::current()) {
    return note("epoll_pwait2", -1, at,
                [=] { return ::epoll_pwait2(epoll, events, most, timeout, nullptr); });
}
///@}

} // namespace stage5::trace
