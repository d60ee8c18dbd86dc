#pragma once
/// \file
/// `--trace FILE`: records what happens, when, on which thread and with which descriptor. The file
/// holds Chrome trace events, which https://ui.perfetto.dev shows. Each function here with the name
/// of a system call makes that call and records it. Without --trace it costs one comparison more
/// than the call alone. All functions are thread-safe, except start().

#include "syscall_error.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <expected>
#include <source_location>
#include <string>

namespace stage5::trace {

/// True if events are recorded. Set before any thread is started.
inline bool on = false;

/// Opens and empties the file, and begins to record. The recording ends with the process.
/// \return an error if the file can't be opened
std::expected<void, syscall_error> start(const std::string& file);

using clock = std::chrono::steady_clock;  ///< the monotonic clock
using source_line = std::source_location; ///< the line of code that recorded an event

/// What an event is about. A member that keeps its default is not recorded.
struct subject {
    int fd = -1;                  ///< the descriptor; its number may be reused later
    const void* waiter = nullptr; ///< the callback or coroutine that parks or is woken
};

/// Records that something has happened now. Tracing must be on: event() checks that.
void write_event(const char* what, subject whom, source_line at);
/// Records something that began at `began` and ends now. Tracing must be on.
/// \param result the result of a call, recorded with errno if it is -1; nullptr: there is none
void write_span(const char* what, subject whom, clock::time_point began, const std::int64_t* result,
                source_line at);

/// Records that something has happened now, if tracing is on.
inline void event(const char* what, subject whom, source_line at = source_line::current()) {
    if (on) [[unlikely]]
        write_event(what, whom, at);
}

/// Records when its scope began and ended. A viewer shows the calls of the scope inside the span.
class span {
public:
    /// Begins the span. \param what a string literal, because only the pointer is stored
    span(const char* what, subject whom, source_line at = source_line::current())
        : what_(what), whom_(whom), at_(at) {
        if (on) [[unlikely]]
            began_ = clock::now();
    }
    span(const span&) = delete;            ///< A span belongs to one scope.
    span& operator=(const span&) = delete; ///< A span belongs to one scope.
    /// Ends the span and records it.
    ~span() {
        if (on) [[unlikely]]
            write_span(what_, whom_, began_, nullptr, at_);
    }

private:
    const char* what_;
    subject whom_;
    source_line at_;
    clock::time_point began_;
};

/// Makes a call and records it. Kept out of record(), so that this code does not slow down the
/// calls that are not recorded.
template <typename Call>
[[gnu::cold, gnu::noinline]] auto call_and_record(const char* name, int fd, source_line at,
                                                  Call call) {
    const auto began = clock::now();
    const auto result = call();
    const std::int64_t shown = result;
    write_span(name, {.fd = fd}, began, &shown, at);
    return result;
}

/// Makes a system call, and records it if tracing is on.
/// \return the call's result; errno is set as the call has set it
template <typename Call>
auto record(const char* name, int fd, source_line at, Call call) {
    if (!on) [[likely]]
        return call();
    return call_and_record(name, fd, at, call);
}

///@{
/// Makes the system call of the same name, and records it if tracing is on.
/// \param at the line of code that makes the call
inline int accept4(int fd, sockaddr* peer, socklen_t* length, int flags,
                   source_line at = source_line::current()) {
    return record("accept4", fd, at, [=] { return ::accept4(fd, peer, length, flags); });
}

inline int connect(int fd, const sockaddr* to, socklen_t length,
                   source_line at = source_line::current()) {
    return record("connect", fd, at, [=] { return ::connect(fd, to, length); });
}

inline ssize_t read(int fd, void* into, std::size_t size, source_line at = source_line::current()) {
    return record("read", fd, at, [=] { return ::read(fd, into, size); });
}

inline ssize_t recv(int fd, void* into, std::size_t size, int flags,
                    source_line at = source_line::current()) {
    return record("recv", fd, at, [=] { return ::recv(fd, into, size, flags); });
}

inline ssize_t send(int fd, const void* from, std::size_t size, int flags,
                    source_line at = source_line::current()) {
    return record("send", fd, at, [=] { return ::send(fd, from, size, flags); });
}

inline ssize_t sendmsg(int fd, const msghdr* from, int flags,
                       source_line at = source_line::current()) {
    return record("sendmsg", fd, at, [=] { return ::sendmsg(fd, from, flags); });
}

inline int poll(pollfd* entries, nfds_t count, int timeout,
                source_line at = source_line::current()) {
    return record("poll", -1, at, [=] { return ::poll(entries, count, timeout); });
}

inline int select(int beyond, fd_set* readers, fd_set* writers, fd_set* others, timeval* timeout,
                  source_line at = source_line::current()) {
    return record("select", -1, at,
                  [=] { return ::select(beyond, readers, writers, others, timeout); });
}

inline int epoll_ctl(int epoll, int operation, int fd, epoll_event* event,
                     source_line at = source_line::current()) {
    const char* const name = operation == EPOLL_CTL_ADD   ? "epoll_ctl ADD"
                             : operation == EPOLL_CTL_MOD ? "epoll_ctl MOD"
                                                          : "epoll_ctl DEL";
    return record(name, fd, at, [=] { return ::epoll_ctl(epoll, operation, fd, event); });
}

inline int epoll_wait(int epoll, epoll_event* events, int most, int timeout,
                      source_line at = source_line::current()) {
    return record("epoll_wait", -1, at, [=] { return ::epoll_wait(epoll, events, most, timeout); });
}

inline int epoll_pwait2(int epoll, epoll_event* events, int most, const timespec* timeout,
                        source_line at = source_line::current()) {
    return record("epoll_pwait2", -1, at,
                  [=] { return ::epoll_pwait2(epoll, events, most, timeout, nullptr); });
}
///@}

} // namespace stage5::trace
