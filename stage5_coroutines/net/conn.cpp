/// \file
/// What a connection does besides reading and writing.

#include "conn.hpp"

#include "../syscall/socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <utility>

namespace stage5::net {

template <typename Use>
std::expected<void, error> conn::call(std::string_view op, const Use& what) const {
    const io_error failed = fd_->with_descriptor(what);
    if (failed) return std::unexpected(failure(*fd_, op, failed, 0));
    return {};
}

std::expected<void, error> conn::close_read() const {
    return call("close", [](int fd) { return ::shutdown(fd, SHUT_RD); });
}

std::expected<void, error> conn::close_write() const {
    return call("close", [](int fd) { return ::shutdown(fd, SHUT_WR); });
}

std::expected<void, error> conn::set_deadline(deadline when) const {
    const auto set = set_read_deadline(when);
    return set ? set_write_deadline(when) : set;
}

std::expected<void, error> conn::set_read_deadline(deadline when, deadline present) const {
    if (fd_->set_deadline(direction::read, to_nanotime(when), to_nanotime(present))) return {};
    return std::unexpected(closed_before(*fd_));
}

std::expected<void, error> conn::set_write_deadline(deadline when) const {
    if (fd_->set_deadline(direction::write, to_nanotime(when))) return {};
    return std::unexpected(closed_before(*fd_));
}

std::expected<void, error> conn::set_keep_alive(std::chrono::seconds idle) const {
    return call("set", [idle](int fd) {
        const auto seconds = static_cast<int>(idle.count());
        const bool set = set_option(fd, SOL_SOCKET, SO_KEEPALIVE, seconds != 0 ? 1 : 0) &&
                         (seconds == 0 || (set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds) &&
                                           set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds) &&
                                           set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 9)));
        return set ? 0 : -1;
    });
}

std::expected<void, error> conn::set_no_delay(bool on) const {
    return call("set", [on](int fd) {
        return set_option(fd, IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0) ? 0 : -1;
    });
}

} // namespace stage5::net
