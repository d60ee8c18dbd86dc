#pragma once
/// \file
/// The system calls behind `net.Listen`, `Accept`, `Read` and `Write`. Listening follows
/// "Tcp服务端源码": sysSocket, setDefaultSockopts, and the steps of listenStream (backlog, bind,
/// listen, getsockname). Its step init, which registers the socket with the poller, is not done
/// here. accept() fills the section Accept, which that article leaves empty.

#include "address.hpp"
#include "op_error.hpp"
#include "unique_fd.hpp"

#include <cstddef>
#include <expected>
#include <span>
#include <string>
#include <utility>

namespace stage1 {

/// Flags for every call that creates a socket. A later fcntl() would be too late: another thread
/// could fork between the two calls, and the child process would inherit the descriptor.
inline constexpr int socket_flags = SOCK_CLOEXEC;

/// The file of a Unix socket. Removes it once. Go: UnixListener's unlinkOnce.
class unix_path {
public:
    /// Takes on the removal of `path`. If it is empty, there is no file to remove.
    explicit unix_path(std::string path) noexcept : path_(std::move(path)) {}
    /// Takes over the removal from `other`, which then removes nothing.
    unix_path(unix_path&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    unix_path& operator=(unix_path&&) = delete; ///< The path of a socket never changes.
    ~unix_path() { remove(); }                  ///< Removes the file unless that has been done.
    /// Removes the file, on the first call only. A missing file is no error. Not thread-safe.
    /// Go: UnixListener.close.
    void remove() noexcept {
        if (!path_.empty()) ::unlink(std::exchange(path_, {}).c_str());
    }

private:
    std::string path_; ///< empty: nothing to remove
};

/// A socket that clients connect to. Go: net.TCPListener, net.UnixListener.
struct listener {
    unique_fd fd;        ///< bound and listening; its backlog may already hold clients
    unix_path path;      ///< after fd, so that the file is removed before the socket is closed
    std::string network; ///< one of the names in endpoint::network
    address local;       ///< from getsockname, so its port is set even if the kernel chose it

    /// Returns the address as the command line takes it: "127.0.0.1:43121", "unix:/run/echo.sock".
    [[nodiscard]] std::string name() const;
};

/// Opens a socket that listens at `where`.
/// Go: net.Listen, down to sysListener.listenTCP and netFD.listenStream.
std::expected<listener, op_error> listen(const endpoint& where);

/// An accepted connection, with the client's address.
struct accepted {
    unique_fd fd; ///< has socket_flags, and the listener's socket options
    address peer; ///< from accept4; for most Unix clients AF_UNIX without a path
};

/// Accepts a connection; sleeps until a client connects. Skips connections that are already lost
/// (ECONNABORTED and the like), but fails after 64 of them in a row. Go: netFD.accept
std::expected<accepted, syscall_error> accept(int listener);

/// True if accept() failed because of the listener itself, so that no later call can succeed. After
/// any other error the accept loop pauses and tries again: one connection was lost, or descriptors
/// or memory ran out. Go's net/http tries again only after a Temporary() error (Server.Serve):
/// EMFILE and ENFILE are such errors, ENOMEM is not.
bool is_about_the_listener(const syscall_error& error);

/// Reads the bytes that have arrived, at most the buffer's size; sleeps until there are some.
/// Go: poll.FD.Read.
/// \return the number of bytes, or 0 at the end of the stream; or an error
std::expected<std::size_t, syscall_error> read(int fd, std::span<char> buffer);

/// Writes all of `bytes`; sleeps while the send buffer is full. Never raises SIGPIPE: if the peer
/// has closed the connection, the call returns an error. Go: poll.FD.Write.
std::expected<std::size_t, syscall_error> write(int fd, std::span<const char> bytes);

/// Returns how many sent bytes the peer's kernel has not acknowledged yet. A FIN counts as one.
int unacknowledged(int fd);

/// True if closing the socket can no longer destroy sent bytes, because the peer's kernel has
/// acknowledged all of them (and the FIN, if one was sent). Closing a TCP socket that has unread
/// input sends a reset, and after a reset the peer may lose bytes that are still on their way.
bool is_all_acknowledged(int fd);

} // namespace stage1
