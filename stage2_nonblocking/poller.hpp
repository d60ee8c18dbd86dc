#pragma once
/// \file
/// Asking the kernel who is ready, three ways behind one face: select and poll of the notes' five
/// I/O models, and not asking at all. All of them look at every descriptor every time; that is
/// what the next stage mends.

#include "op_error.hpp"

#include <poll.h>

#include <chrono>
#include <expected>
#include <span>
#include <vector>

namespace stage2 {

/// How poller::wait() waits: --wait.
enum class wait_method {
    spin,   ///< not at all: everyone is said to be ready, and who isn't will meet EAGAIN
    select, ///< select(2): descriptors 0 to 1023
    poll,   ///< poll(2)
};

/// What a descriptor is watched for.
enum class interest : short { read = POLLIN, write = POLLOUT, both = POLLIN | POLLOUT };

/// The descriptors that somebody waits for. Not thread-safe. Descriptors are borrowed.
class poller {
public:
    static constexpr std::chrono::milliseconds forever{-1}; ///< a timeout: there is none

    /// Watches nothing yet. Has memory for the answers about two descriptors from the start:
    /// without any, wait() could never report one, and a client would wait for ever.
    explicit poller(wait_method method) : method_(method) { ready_.reserve(2); }

    /// Begins to watch `fd`. \return or EBADF where select() can't: its sets end at FD_SETSIZE
    std::expected<void, syscall_error> add(int fd, interest what);
    /// Changes what `fd` is watched for.
    void modify(int fd, interest what);
    /// Ends watching `fd`; to be called before it is closed.
    void remove(int fd);

    /// Waits until a descriptor is ready, but not longer than `timeout`.
    /// \return the descriptors that have what they are watched for, or that have an error which
    ///         the next call on them meets. There may be none. They are valid until the next call.
    ///         An error if select() or poll() fails, and not because of a signal
    std::expected<std::span<const int>, syscall_error> wait(std::chrono::milliseconds timeout);

private:
    void make_room();
    int ask_select(std::chrono::milliseconds timeout);
    int ask_poll(std::chrono::milliseconds timeout);

    wait_method method_;
    std::vector<pollfd> watched_; ///< in poll's form, which says it all
    std::vector<int> ready_;
};

} // namespace stage2
