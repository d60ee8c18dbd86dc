#pragma once
/// \file
/// A descriptor that coroutines on any thread may use at once, and its life: open, deadlines,
/// close. The calls that wait are in fd_call.hpp. "如何实现异步非阻塞"; Go: internal/poll.FD
/// (fd_unix.go, fd_poll_runtime.go) and net.netFD.

#include "address.hpp"
#include "fd_mutex.hpp"
#include "frame_cache.hpp"
#include "names.hpp"
#include "netpoll.hpp"
#include "socket.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <utility>

namespace stage5 {

/// Why a call of fd did not do all that it was asked. Go: internal/poll's errors.
struct io_error {
    /// What came in between.
    enum class reason : std::uint8_t {
        none,              ///< it did
        net_closing,       ///< Go: ErrNetClosing
        deadline_exceeded, ///< Go: ErrDeadlineExceeded
        not_pollable,      ///< Go: ErrNotPollable
        failed,            ///< `number` says it
    };
    reason why = reason::none; ///< which of them it was
    int number = 0;            ///< errno of the call that failed; of which, the caller knows

    explicit operator bool() const { return why != reason::none; } ///< Go: err != nil
    /// Go's text for it. \param call the system call that failed, if one did
    [[nodiscard]] std::string message(std::string_view call) const;
};

/// Go: convertErr.
io_error from(poll_status status);

class fd_ref;

/// A stream socket in the poller. Calls on one side queue up; close() ends all of them, and the
/// number stays taken until they have left.
class fd {
public:
    /// Takes a non-blocking socket into the poller of the scheduler. Go: netFD.init.
    /// \param peer who is at the other end, where somebody is
    static std::expected<fd_ref, syscall_error> open(unique_fd socket, const address& peer = {});
    fd(const fd&) = delete;            ///< it is shared through fd_ref
    fd& operator=(const fd&) = delete; ///< the same

    /// Sets a deadline at a point in time; 0 is none. Go: FD.SetReadDeadline, FD.SetWriteDeadline.
    /// \return false if the fd is closed, or its scheduler gone
    bool set_deadline(side s, nanotime when, nanotime present = now());
    /// Does something short with the number, which stays ours meanwhile. \return or net_closing
    template <typename Use>
    io_error with_number(const Use& use) {
        if (!mutex_.add_reference()) return {io_error::reason::net_closing};
        const int number = use(get()) == 0 ? 0 : errno;
        leave(mutex_.drop_reference());
        return {number == 0 ? io_error::reason::none : io_error::reason::failed, number};
    }
    /// Lets all calls return net_closing, now and later; those that are in progress may still be
    /// on their way out when it returns. Go: FD.Close, without its wait.
    /// \return false if it was closed before
    bool close();

    /// Our end of it, also when it is closed. Go: netFD.laddr
    [[nodiscard]] address local_addr() const { return names_.local(); }
    /// The other end; AF_UNSPEC for a listener. Go: netFD.raddr
    [[nodiscard]] address remote_addr() const { return names_.remote(); }

private:
    friend class fd_ref;
    template <typename Call>
    friend class fd_call;
    friend class accept_call;
    friend class write_call;
    friend class slow_write;
    friend class close_call;

    fd(unique_fd socket, poll_desc& pd, names who);
    ~fd();
    static void* operator new(std::size_t size) { return frame_cache::allocate(size); }
    static void operator delete(void* what, std::size_t size) { frame_cache::release(what, size); }
    /// The number; to be used by those that hold a reference, or another thread may close it.
    [[nodiscard]] int get() const { return socket_.get(); }
    void leave(bool last);
    [[nodiscard]] netpoll* poll() const;
    std::expected<std::size_t, syscall_error> receive(std::span<char> buffer);

    fd_mutex mutex_;
    std::atomic<std::uint32_t> owners_ = 1; ///< fd_refs
    unique_fd socket_;
    bool is_tcp_;          ///< its short reads prove something, see receive()
    bool drained_ = false; ///< the last read was short; belongs to the call that has the read side
    std::uint16_t scheduler_; ///< the number of the one in which it was opened
    poll_desc* pd_;
    names names_;
};

/// Shares an fd: the last one closes it. As std::shared_ptr, with the count inside: 15,000 idle
/// connections are 15,000 of everything here.
class fd_ref {
public:
    fd_ref() noexcept = default; ///< of none
    /// The first one. \param made by fd::open(), which has counted us
    explicit fd_ref(fd* made) noexcept : fd_(made) {}
    /// One more. Thread-safe as far as the count goes.
    fd_ref(const fd_ref& other) noexcept : fd_(other.fd_) {
        if (fd_ != nullptr) fd_->owners_.fetch_add(1, std::memory_order_relaxed);
    }
    /// As many as before: `other` is of none then.
    fd_ref(fd_ref&& other) noexcept : fd_(std::exchange(other.fd_, nullptr)) {}
    /// Of what `other` is; one less of what it was before.
    fd_ref& operator=(fd_ref other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    /// One less; the last one closes. Go needs a finalizer: netFD.setAddr
    ~fd_ref() {
        if (fd_ != nullptr && fd_->owners_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete fd_;
    }
    fd& operator*() const noexcept { return *fd_; }                    ///< there must be one
    fd* operator->() const noexcept { return fd_; }                    ///< the same
    explicit operator bool() const noexcept { return fd_ != nullptr; } ///< whether there is one

private:
    fd* fd_ = nullptr;
};

} // namespace stage5
