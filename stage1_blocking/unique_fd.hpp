#pragma once
/// \file
/// Owning a descriptor. Whoever holds a unique_fd closes it by going away; a plain `int fd` in a
/// signature is only borrowed. Go closes a forgotten descriptor with a finalizer (net/fd_unix.go:
/// netFD.setAddr); a destructor does it on time.

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace stage1 {

/// A descriptor that is closed exactly once. Not thread-safe; hand it over by moving it.
class unique_fd {
public:
    unique_fd() noexcept = default; ///< none
    /// \param fd is ours to close from here on; what a failed call returned, -1, is none
    explicit unique_fd(int fd) noexcept : fd_(fd) {}
    /// \param other has none any more
    unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    /// Swaps: what this had is closed when `other` goes away.
    unique_fd& operator=(unique_fd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~unique_fd() { reset(); } ///< closes it

    /// The number, for a system call; -1 when there is none.
    [[nodiscard]] int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; } ///< whether there is one

    /// Closes now. Never again on EINTR: Linux has released the number by then, and a second
    /// close could hit whoever got it next.
    void reset() noexcept {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

private:
    int fd_ = -1;
};

/// Opens /dev/null for each of descriptors 0 to 2 that is closed. Otherwise a socket would get such
/// a number: the log would be sent into it, or read as standard input. Go: runtime.checkfds.
inline void open_standard_descriptors() {
    int fd = 0;
    do {
        fd = ::open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) ::close(fd);
}

} // namespace stage1
