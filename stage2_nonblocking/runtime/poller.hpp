#pragma once
/// \file
/// Finds the descriptors that are ready, by one of three methods with the same interface: select()
/// and poll() from the notes' five I/O models, or simply trying every descriptor. Each method looks
/// at every descriptor in every call. Stage 3 avoids that.

#include "../syscall/syscall_error.hpp"

#include <poll.h>

#include <chrono>
#include <expected>
#include <span>
#include <vector>

namespace stage2 {

/// How poller::wait() waits. It is chosen with --wait.
enum class wait_method {
    spin,   ///< not at all: reports all descriptors, and those that are not ready get EAGAIN
    select, ///< select(2): descriptors 0 to 1023
    poll,   ///< poll(2)
};

/// What a descriptor is watched for.
enum class interest : short { read = POLLIN, write = POLLOUT, both = POLLIN | POLLOUT };

/// The list of descriptors to wait for. It does not own them. Not thread-safe.
class poller {
public:
    static constexpr std::chrono::milliseconds forever{-1}; ///< as a timeout: no limit

    /// Watches nothing yet. Reserves memory for two results of wait(). If memory runs out later,
    /// wait() can still report two descriptors at a time; with no space it could report none.
    explicit poller(wait_method method) : method_(method) { ready_.reserve(2); }

    /// Begins to watch `fd`.
    /// \return an error if select() cannot watch it: its sets hold only descriptors 0 to 1023
    std::expected<void, syscall_error> add(int fd, interest what);
    /// Changes what `fd` is watched for.
    void modify(int fd, interest what);
    /// Stops watching `fd`. Must be called before `fd` is closed.
    void remove(int fd);

    /// Waits until a descriptor is ready, at most for `timeout`. A descriptor is also ready if the
    /// next call on it will return an error.
    /// \return the ready descriptors, valid until wait() is called again; none after a timeout or a
    ///         signal. An error if select() or poll() fails for another reason
    std::expected<std::span<const int>, syscall_error> wait(std::chrono::milliseconds timeout);

private:
    void reserve_results();
    int call_select(std::chrono::milliseconds timeout);
    int call_poll(std::chrono::milliseconds timeout);

    wait_method method_;
    std::vector<pollfd> watched_; ///< the list, in poll()'s format for all three methods
    std::vector<int> ready_;      ///< the result of wait()
};

} // namespace stage2
