#pragma once
/// \file
/// The system calls behind `Accept`, `Read` and `Write`, and what they return. accept() fills the
/// section Accept, which the article "Tcp服务端源码" leaves empty. Go: package syscall, and what
/// internal/poll and net add to each call: EINTR, the flags, and the text of errors.

#include "address.hpp"
#include "syscall_error.hpp"
#include "unique_fd.hpp"

#include <cstddef>
#include <expected>
#include <span>

namespace stage4 {

/// Flags for every call that creates a socket. A later fcntl() would be too late: another thread
/// could fork between the two calls, and the child process would inherit the descriptor.
inline constexpr int socket_flags = SOCK_NONBLOCK | SOCK_CLOEXEC;

/// Sets an option that is a number. \return false, with errno, if setsockopt fails
bool set_option(int fd, int level, int name, int value);

/// An accepted connection, with the client's address.
struct accepted {
    unique_fd fd; ///< has socket_flags, and the listener's socket options
    address peer; ///< from accept4; for most Unix clients AF_UNIX without a path
};

/// Accepts a connection; fails with EAGAIN if no client is in the backlog. Skips connections that
/// are already lost (ECONNABORTED and the like), but fails after 64 of them in a row.
/// Go: netFD.accept
std::expected<accepted, syscall_error> accept(int listener);

/// True if accept() failed because of the listener itself, so that no later call can succeed. After
/// any other error the accept loop pauses and tries again: one connection was lost, or descriptors
/// or memory ran out. Go's net/http tries again only after a Temporary() error (Server.Serve):
/// EMFILE and ENFILE are such errors, ENOMEM is not.
bool is_listener_error(const syscall_error& error);

/// True for EAGAIN: the call could do nothing, and a blocking socket would have slept in it.
bool would_block(const syscall_error& error);

/// Reads the bytes that have arrived, at most the buffer's size. Like Go's poll.FD.Read, but
/// without its wait.
/// \return the number of bytes, 0 at the end of the stream; or an error, EAGAIN if there are none
std::expected<std::size_t, syscall_error> read(int fd, std::span<char> buffer);

/// Writes as many of `bytes` as the send buffer has room for. Never raises SIGPIPE: if the peer has
/// closed the connection, the call returns an error. Like Go's poll.FD.Write, but without its wait.
/// \return the number of bytes written, which may be 0; or an error if none were written
std::expected<std::size_t, syscall_error> write(int fd, std::span<const char> bytes);

/// Returns how many sent bytes the peer's kernel has not acknowledged yet. A FIN counts as one.
int unacknowledged(int fd);

/// True if closing the socket can no longer destroy sent bytes, because the peer's kernel has
/// acknowledged all of them (and the FIN, if one was sent). Closing a TCP socket that has unread
/// input sends a reset, and after a reset the peer may lose bytes that are still on their way.
bool is_all_acknowledged(int fd);

/// Makes close() of a TCP socket send a reset. This is for a client that is cut off before it has
/// received everything: after a FIN it would take the bytes so far for the whole stream.
/// Go: TCPConn.SetLinger(0)
void reset_at_close(int fd);

} // namespace stage4
