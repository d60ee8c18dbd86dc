/// \file
/// How errors are made, and what connections and listeners do, top-down.

#include "net.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <mutex>
#include <utility>

namespace stage5::net {
namespace {

int set_option(int fd, int level, int name, int value) {
    return ::setsockopt(fd, level, name, &value, sizeof value);
}

std::string network_of(const address& local) {
    return local.family() == AF_UNIX ? "unix" : "tcp";
}

/// Returns an empty text if there is no address.
std::string text_of(const address& a) {
    return a.family() == AF_UNSPEC ? "" : a.to_string();
}

/// Returns the system call of an operation, for the text of an error.
std::string_view call_of(std::string_view op) {
    if (op == "accept") return "accept4";
    if (op == "close") return "shutdown"; // of one direction: closing both can't fail
    return op == "set" ? "setsockopt" : op;
}

/// Makes the OpError around a cause, with the operation, the network and both addresses.
op_error whose(const fd& of, std::string_view op, std::string cause) {
    const auto local = of.local_addr();
    op_error what{std::string(op), network_of(local), text_of(local), text_of(of.remote_addr()),
                  std::move(cause)};
    if (what.address.empty()) std::swap(what.source, what.address); // a listener has no other end
    return what;
}

/// Makes the error of setting a deadline after close(). It names our own address only, as in
/// Go: conn.SetDeadline
error closed_before(const fd& of) {
    const io_error why{io_error::reason::net_closing};
    auto what = whose(of, "set", why.message(""));
    if (!what.source.empty()) what.address = std::exchange(what.source, "");
    return error(std::move(what), why);
}

/// Removes the file of a Unix socket, once, even if several coroutines close at the same time.
/// Go: UnixListener's unlinkOnce
void remove_once(unix_path& path) {
    static std::mutex mutex;
    const std::lock_guard guard(mutex);
    path.remove();
}

} // namespace

error failure(const fd& of, std::string_view op, io_error why, std::size_t done) {
    return error(whose(of, op, why.message(call_of(op))), why, done);
}

error failure(const fd& of, std::string_view op, std::string why) {
    return error(whose(of, op, std::move(why)), {});
}

template <typename Use>
std::expected<void, error> conn::use(std::string_view op, const Use& what) const {
    const io_error failed = fd_->with_number(what);
    if (failed) return std::unexpected(failure(*fd_, op, failed, 0));
    return {};
}

std::expected<void, error> conn::close_read() const {
    return use("close", [](int fd) { return ::shutdown(fd, SHUT_RD); });
}

std::expected<void, error> conn::close_write() const {
    return use("close", [](int fd) { return ::shutdown(fd, SHUT_WR); });
}

std::expected<void, error> conn::set_deadline(deadline when) const {
    const auto set = set_read_deadline(when);
    return set ? set_write_deadline(when) : set;
}

std::expected<void, error> conn::set_read_deadline(deadline when, deadline present) const {
    if (fd_->set_deadline(side::read, to_nanotime(when), to_nanotime(present))) return {};
    return std::unexpected(closed_before(*fd_));
}

std::expected<void, error> conn::set_write_deadline(deadline when) const {
    if (fd_->set_deadline(side::write, to_nanotime(when))) return {};
    return std::unexpected(closed_before(*fd_));
}

std::expected<void, error> conn::set_keep_alive(std::chrono::seconds idle) const {
    return use("set", [idle](int fd) {
        const auto seconds = static_cast<int>(idle.count());
        if (set_option(fd, SOL_SOCKET, SO_KEEPALIVE, seconds != 0 ? 1 : 0) != 0) return -1;
        if (seconds == 0) return 0;
        if (set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds) != 0) return -1;
        if (set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds) != 0) return -1;
        return set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 9);
    });
}

std::expected<void, error> conn::set_no_delay(bool on) const {
    return use("set",
               [on](int fd) { return set_option(fd, IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0); });
}

std::expected<listener, error> listener::adopt(stage5::listener made) {
    auto socket = fd::open(std::move(made.fd));
    if (!socket)
        return std::unexpected(
            error({"listen", made.network, "", made.local.to_string(), socket.error().message()},
                  {io_error::reason::failed, socket.error().number}));
    return listener(std::make_shared<state>(
        state{std::move(*socket), std::move(made.path), std::move(made.network), made.local}));
}

std::expected<listener, error> listen(std::string_view network, std::string_view address) {
    const auto where = parse_endpoint(network, address);
    if (!where)
        return std::unexpected(error({"listen", std::string(network), "", "", where.error()}, {}));
    auto made = stage5::listen(*where);
    if (!made) return std::unexpected(error(made.error(), {}));
    return listener::adopt(std::move(*made));
}

named<close_call> listener::close() const {
    remove_once(state_->path);
    return named<close_call>(*state_->socket);
}

void listener::evict() const {
    remove_once(state_->path);
    state_->socket->close();
}

std::string listener::name() const {
    return (state_->network == "unix" ? "unix:" : "") + state_->local.to_string();
}

std::expected<void, error> listener::set_deadline(deadline when) const {
    if (state_->socket->set_deadline(side::read, to_nanotime(when))) return {};
    return std::unexpected(closed_before(*state_->socket));
}

} // namespace stage5::net
