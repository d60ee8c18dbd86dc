#pragma once
/// \file
/// System calls for the fuzzer's own use, past the functions of kernel.cpp, through which the
/// server's go.

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <ctime>

namespace fuzz::kernel {

inline ssize_t recv(int fd, void* into, std::size_t size, int flags) {
    return ::syscall(SYS_recvfrom, fd, into, size, flags, nullptr, nullptr);
}
inline ssize_t read(int fd, void* into, std::size_t size) {
    return ::syscall(SYS_read, fd, into, size);
}
inline ssize_t send(int fd, const void* from, std::size_t size, int flags) {
    return ::syscall(SYS_sendto, fd, from, size, flags, nullptr, 0);
}
inline ssize_t sendmsg(int fd, const msghdr* from, int flags) {
    return ::syscall(SYS_sendmsg, fd, from, flags);
}
inline int accept4(int fd, sockaddr* peer, socklen_t* length, int flags) {
    return static_cast<int>(::syscall(SYS_accept4, fd, peer, length, flags));
}
inline int shutdown(int fd, int how) {
    return static_cast<int>(::syscall(SYS_shutdown, fd, how));
}
inline int close(int fd) {
    return static_cast<int>(::syscall(SYS_close, fd));
}
inline int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) {
    return static_cast<int>(::syscall(SYS_epoll_ctl, epoll, operation, fd, event));
}
/// Only looks.
inline int epoll_wait(int epoll, epoll_event* events, int most) {
    return static_cast<int>(::syscall(SYS_epoll_pwait, epoll, events, most, 0, nullptr, 0));
}
inline int clock_gettime(clockid_t clock, timespec* time) {
    return static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
}

} // namespace fuzz::kernel
