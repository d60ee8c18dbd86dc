#pragma once
/// \file
/// Ownership of a descriptor: a unique_fd closes its descriptor when it is destroyed. A plain
/// `int fd` as a parameter is only borrowed. In Go a finalizer closes a forgotten descriptor
/// (net/fd_posix.go: netFD.setAddr), but only when the garbage collector finds it.

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace stage4 {

/// Owns a descriptor and closes it exactly once. Moving it hands the descriptor over. Not
/// thread-safe.
class unique_fd {
public:
    unique_fd() noexcept = default; ///< Owns no descriptor.
    /// Takes ownership of `fd`. If it is -1, the result of a failed call, there is no descriptor.
    explicit unique_fd(int fd) noexcept : fd_(fd) {}
    /// Takes over the descriptor of `other`, which then owns none.
    unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    /// Exchanges the descriptors: the old one is closed when `other` is destroyed.
    unique_fd& operator=(unique_fd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~unique_fd() { reset(); } ///< Closes the descriptor, if there is one.

    /// Returns the descriptor, for a system call; -1 if there is none.
    [[nodiscard]] int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; } ///< True if there is one.

    /// Closes the descriptor now, if there is one. Does not repeat close() after EINTR: Linux has
    /// released the number by then, and another thread may already have a new descriptor with it.
    void reset() noexcept {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

private:
    int fd_ = -1;
};

/// Opens /dev/null for each of the descriptors 0 to 2 that is closed. Otherwise a socket could get
/// such a number, and then the log would be sent to a client. Go: runtime.checkfds.
inline void open_standard_descriptors() {
    int fd = 0;
    do {
        fd = ::open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) ::close(fd);
}

} // namespace stage4
