#pragma once
/// \file
/// A socket that coroutines on any thread may use at once: opening, deadlines, closing. The calls
/// that wait are in fd_call.hpp. "如何实现异步非阻塞"; Go: internal/poll.FD (fd_unix.go,
/// fd_poll_runtime.go) and net.netFD.
///
/// What must hold: close() may come at any time, but the descriptor stays open until the last call
/// has left. Otherwise the kernel could give its number to a new socket, and a late call would read
/// from or write to that one.

#include "../runtime/frame_cache.hpp"
#include "../runtime/netpoll.hpp"
#include "../syscall/address.hpp"
#include "../syscall/address_pair.hpp"
#include "../syscall/syscall_error.hpp"
#include "../syscall/unique_fd.hpp"
#include "fd_mutex.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <utility>

namespace stage5 {

/// The most bytes that one system call is asked to move. The kernel has a limit of its own, a
/// little below 2 GiB, at which a read is short although bytes are left. Go: maxRW
inline constexpr std::size_t max_bytes = std::size_t{1} << 30;

/// Why a call of fd has failed. Go: internal/poll's errors.
struct io_error {
    /// The cause.
    enum class reason : std::uint8_t {
        none,              ///< it has not failed
        net_closing,       ///< Go: ErrNetClosing
        deadline_exceeded, ///< Go: ErrDeadlineExceeded
        not_pollable,      ///< Go: ErrNotPollable
        failed,            ///< a system call has failed: see `number`
    };
    reason why = reason::none; ///< the cause
    int number = 0;            ///< errno of the system call that failed; the caller knows which

    explicit operator bool() const { return why != reason::none; } ///< Go: err != nil
    /// Returns Go's text for it. \param call the system call that failed, if one did
    [[nodiscard]] std::string message(std::string_view call) const;
};

/// Converts what a wait in the poller has returned. Go: convertErr.
io_error to_io_error(poll_status status);

class fd_ref;

/// A stream socket that is registered with the poller. Calls in the same direction queue up.
/// close() ends all of them, and the descriptor stays open until they have left.
class fd {
public:
    /// Registers a non-blocking socket with the poller of the scheduler. Go: netFD.init.
    /// \param peer the address of the other end; none for a listener
    static std::expected<fd_ref, syscall_error> open(unique_fd socket, const address& peer = {});
    fd(const fd&) = delete;            ///< it is shared through fd_ref
    fd& operator=(const fd&) = delete; ///< for the same reason

    /// Sets the deadline of a direction at a point in time; 0 removes it. Go: FD.SetReadDeadline,
    /// FD.SetWriteDeadline.
    /// \return false if the fd is closed, or its scheduler is gone
    bool set_deadline(direction s, nanotime when, nanotime present = now());
    /// Calls `use` with the descriptor, which stays open meanwhile. `use` must not wait. It returns
    /// 0, or something else with errno.
    /// \return the errno of `use`, or net_closing if the fd is closed
    template <typename Use>
    io_error with_descriptor(const Use& use) {
        if (!mutex_.add_reference()) return {io_error::reason::net_closing};
        const int number = use(get()) == 0 ? 0 : errno;
        leave(mutex_.drop_reference());
        return {number == 0 ? io_error::reason::none : io_error::reason::failed, number};
    }
    /// Makes all calls fail with net_closing, those that wait and those to come. Does not wait
    /// until they have left. Go: FD.Close, without its wait.
    /// \return false if it was closed before
    bool close();

    /// Our own address, also after a close. Go: netFD.laddr
    [[nodiscard]] address local_addr() const { return addresses_.local(); }
    /// The address of the other end, also after a close; AF_UNSPEC for a listener. Go: netFD.raddr
    [[nodiscard]] address remote_addr() const { return addresses_.remote(); }

private:
    friend class fd_ref;
    template <typename Call>
    friend class fd_call;
    friend class accept_call;
    friend class write_call;
    friend class slow_write;
    friend class close_call;

    fd(unique_fd socket, poll_desc& pd, address_pair who);
    ~fd();
    static void* operator new(std::size_t size) { return frame_cache::allocate(size); }
    static void operator delete(void* what, std::size_t size) { frame_cache::release(what, size); }
    /// The descriptor. The caller must hold a reference, or another thread could close it.
    [[nodiscard]] int get() const { return socket_.get(); }
    void leave(bool last);
    [[nodiscard]] netpoll* poll() const;
    std::expected<std::size_t, syscall_error> receive(std::span<char> buffer);

    fd_mutex mutex_;
    std::atomic<std::uint32_t> owners_ = 1; ///< number of fd_refs
    unique_fd socket_;
    bool is_tcp_;             ///< true: a short read proves that nothing is left, see receive()
    bool drained_ = false;    ///< the last read was short. Only for the call that has the direction
    std::uint16_t scheduler_; ///< the number of the one in which it was opened
    poll_desc* pd_;
    address_pair addresses_;
};

/// Shares an fd; the last fd_ref closes it. Like std::shared_ptr, but the count is in the fd, which
/// saves memory in each connection.
class fd_ref {
public:
    fd_ref() noexcept = default; ///< refers to no fd
    /// Refers to a new fd. \param made by fd::open(), which has counted this reference
    explicit fd_ref(fd* made) noexcept : fd_(made) {}
    /// Adds a reference. The count is atomic, so that copies may be used by different threads.
    fd_ref(const fd_ref& other) noexcept : fd_(other.fd_) {
        if (fd_ != nullptr) fd_->owners_.fetch_add(1, std::memory_order_relaxed);
    }
    /// Takes over the reference of `other` and leaves it empty.
    fd_ref(fd_ref&& other) noexcept : fd_(std::exchange(other.fd_, nullptr)) {}
    /// Drops its reference and shares the fd of `other`.
    fd_ref& operator=(fd_ref other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    /// Drops its reference; the last one closes the fd. Go needs a finalizer for that:
    /// netFD.setAddr
    ~fd_ref() {
        if (fd_ != nullptr && fd_->owners_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete fd_;
    }
    fd& operator*() const noexcept { return *fd_; } ///< the fd; there must be one
    fd* operator->() const noexcept { return fd_; } ///< the fd; there must be one
    explicit operator bool() const noexcept { return fd_ != nullptr; } ///< is not empty

private:
    fd* fd_ = nullptr;
};

} // namespace stage5
