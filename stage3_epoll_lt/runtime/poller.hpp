#pragma once
/// \file
/// Finds the descriptors that are ready with level-triggered epoll, with the interface of stage 2's
/// poller: the epoll instance of "epoll的创建与事件注册". The kernel keeps the list now, and wait()
/// receives only the ready descriptors. So a wait costs the same however many clients are idle.
/// Level-triggered means that wait() reports a descriptor each time, for as long as it is ready.

#include "../syscall/syscall_error.hpp"
#include "../syscall/unique_fd.hpp"

#include <sys/epoll.h>

#include <chrono>
#include <cstdint>
#include <expected>
#include <span>
#include <vector>

namespace stage3 {

/// What a descriptor is watched for.
enum class interest : std::uint32_t {
    read = EPOLLIN,   ///< bytes to read, the end of the stream, or a client to accept
    write = EPOLLOUT, ///< room in the send buffer
};

/// The list of descriptors to wait for. It does not own them. Not thread-safe.
class poller {
public:
    static constexpr std::chrono::milliseconds forever{-1}; ///< as a timeout: no limit

    /// Creates the epoll instance. Must be called before everything else.
    /// \return epoll_create1's error if it failed. Go: netpollinit, which ends the process then
    std::expected<void, syscall_error> open();

    /// Begins to watch `fd`. \return epoll_ctl's error, such as ENOSPC or ENOMEM, if it failed
    std::expected<void, syscall_error> add(int fd, interest what);
    /// Changes what `fd` is watched for.
    void modify(int fd, interest what);
    /// Stops watching `fd`. Must be called before `fd` is closed.
    void remove(int fd);

    /// Waits until a descriptor is ready, at most for `timeout`. A descriptor is also ready if the
    /// next call on it will return an error.
    /// \return the ready descriptors, valid until wait() is called again; none after a timeout or a
    ///         signal. An error if epoll_wait() fails for another reason
    std::expected<std::span<const int>, syscall_error> wait(std::chrono::milliseconds timeout);

private:
    std::expected<void, syscall_error> control(int operation, int fd, std::uint32_t events);

    unique_fd epoll_;        ///< the epoll instance, with the list of descriptors
    std::vector<int> ready_; ///< the result of wait()
};

} // namespace stage3
