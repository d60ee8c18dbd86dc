#pragma once
/// \file
/// Telling the kernel once and being told who is ready, with the face of the stage before. The
/// epoll instance of "epoll的创建与事件注册", level-triggered: what is ready is reported until it
/// has been dealt with. What waiting costs no longer depends on how many are idle.

#include "op_error.hpp"
#include "unique_fd.hpp"

#include <sys/epoll.h>

#include <chrono>
#include <cstdint>
#include <expected>
#include <span>
#include <vector>

namespace stage3 {

/// What a descriptor is watched for.
enum class interest : std::uint32_t {
    read = EPOLLIN,   ///< bytes, a client to be accepted, or the end of the stream
    write = EPOLLOUT, ///< room to write
};

/// The descriptors that somebody waits for. Not thread-safe. Descriptors are borrowed.
class poller {
public:
    static constexpr std::chrono::milliseconds forever{-1}; ///< a timeout: there is none

    /// Makes the epoll instance; to be called first. Go: netpollinit, which throws.
    /// \return the error of epoll_create1 if it failed
    std::expected<void, syscall_error> open();

    /// Begins to watch `fd`. \return or what epoll_ctl says: ENOSPC, ENOMEM
    std::expected<void, syscall_error> add(int fd, interest what);
    /// Changes what `fd` is watched for.
    void modify(int fd, interest what);
    /// Ends watching `fd`; to be called before it is closed.
    void remove(int fd);

    /// Waits until a descriptor is ready, but not longer than `timeout`.
    /// \return the descriptors that have what they are watched for, or that have an error which
    ///         the next call on them meets. There may be none. They are valid until the next call.
    ///         An error if epoll_wait() fails, and not because of a signal
    std::expected<std::span<const int>, syscall_error> wait(std::chrono::milliseconds timeout);

private:
    std::expected<void, syscall_error> control(int operation, int fd, std::uint32_t events);

    unique_fd epoll_; ///< the list is the kernel's now
    std::vector<int> ready_;
};

} // namespace stage3
