#pragma once
/// \file
/// The system calls behind `net.Listen`, `Accept`, `Read` and `Write`, each in its smallest form:
/// sysSocket, setDefaultSockopts, listenStream's five steps (backlog, bind, listen, init,
/// getsockname) from "Tcp服务端源码", and the Accept section that it leaves empty.

#include "address.hpp"
#include "op_error.hpp"
#include "unique_fd.hpp"

#include <cstddef>
#include <expected>
#include <span>
#include <string>
#include <utility>

namespace stage5 {

/// Flags of every socket that is created here. In the call, because between socket() and a later
/// fcntl() another thread may fork, and the child would inherit the descriptor.
inline constexpr int socket_flags = SOCK_NONBLOCK | SOCK_CLOEXEC;

/// The file of a Unix socket, removed once. Go: UnixListener's unlinkOnce.
class unix_path {
public:
    /// \param path is ours to remove from here on; empty: there is none
    explicit unix_path(std::string path) noexcept : path_(std::move(path)) {}
    /// \param other has nothing to remove any more
    unix_path(unix_path&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    unix_path& operator=(unix_path&&) = delete; ///< a socket keeps its name
    ~unix_path() { remove(); }                  ///< if nobody has
    /// Takes the file away, the first time; one that is gone is no error. Go: UnixListener.close.
    /// Not thread-safe.
    void remove() noexcept {
        if (!path_.empty()) ::unlink(std::exchange(path_, {}).c_str());
    }

private:
    std::string path_; ///< empty for every other address
};

/// A socket that clients connect to. Go: net.TCPListener, net.UnixListener.
struct listener {
    unique_fd fd;        ///< bound, and listening already: clients may be in its backlog
    unix_path path;      ///< behind fd, so that it goes first and never names a dead socket
    std::string network; ///< as endpoint::network has it
    address local;       ///< as getsockname tells it: with the port that the kernel chose

    /// "127.0.0.1:43121", "unix:/run/echo.sock": as the command line takes it.
    [[nodiscard]] std::string name() const;
};

/// Go: net.Listen, down to sysListener.listenTCP and netFD.listenStream.
std::expected<listener, op_error> listen(const endpoint& where);

/// A connection that was accepted, and whose it is.
struct accepted {
    unique_fd fd; ///< with socket_flags, and the options that its listener hands down
    address peer; ///< as accept4 tells it; AF_UNIX without a path, for most Unix clients
};

/// Accepts a connection. Passes over connections that are lost already (ECONNABORTED and the
/// like), up to 64 of them in a row. Go: netFD.accept
std::expected<accepted, syscall_error> accept(int listener);

/// True if accept() failed because of the listener itself, so that no later call can succeed. Any
/// other error is about one connection, or about what the machine lacks at the moment: the accept
/// loop rests and tries again. Go: net/http's Serve does so after an error that is Temporary().
bool is_about_the_listener(const syscall_error& error);

/// Whether a call had nothing to do and would have slept in the stage before: EAGAIN.
bool would_block(const syscall_error& error);

/// Reads what is there, up to the buffer's size; 0 is the end of the stream. Go: poll.FD.Read.
std::expected<std::size_t, syscall_error> read(int fd, std::span<char> buffer);

/// Writes as much as the peer takes now, perhaps nothing. Go: poll.FD.Write, without its wait.
/// Never raises SIGPIPE: a peer that has gone away is an error like another.
std::expected<std::size_t, syscall_error> write(int fd, std::span<const char> bytes);

/// How many bytes were sent that the peer's kernel has not acknowledged, an end of file included.
int unacknowledged(int fd);

/// Whether closing can no longer destroy what was sent, the end of file included if it was sent.
/// Closing a TCP socket that has unread input sends a reset, and a reset overtakes bytes under way.
bool is_all_acknowledged(int fd);

/// Lets closing a TCP socket send a reset, whatever was read: for who is cut off in the middle of
/// what it is owed, and must not take that for the end of the stream. Go: TCPConn.SetLinger(0)
void reset_at_close(int fd);

} // namespace stage5
