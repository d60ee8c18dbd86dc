#pragma once
/// \file
/// `net.Listen`, down to the kernel. Follows "Tcp服务端源码": sysSocket, setDefaultSockopts, and
/// the steps of listenStream (backlog, bind, listen, getsockname). Its step init, which registers
/// the socket with the poller, is not done here.

#include "../syscall/address.hpp"
#include "../syscall/unique_fd.hpp"
#include "op_error.hpp"
#include "resolve.hpp"

#include <unistd.h>

#include <expected>
#include <string>
#include <utility>

namespace stage2 {

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

} // namespace stage2
