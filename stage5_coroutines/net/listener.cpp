/// \file
/// What a listener does.

#include "listener.hpp"

#include <mutex>
#include <utility>

namespace stage5::net {
namespace {

/// Removes the file of a Unix socket, once, even if several coroutines close at the same time.
/// Go: UnixListener's unlinkOnce
void remove_once(unix_path& path) {
    static std::mutex mutex;
    const std::lock_guard guard(mutex);
    path.remove();
}

} // namespace

std::expected<listener, error> listener::adopt(stage5::listener made) {
    auto socket = fd::open(std::move(made.fd));
    if (!socket)
        return std::unexpected(
            error({"listen", made.network, "", made.local.to_string(), socket.error().message()},
                  {io_error::reason::failed, socket.error().number}));
    return listener(std::make_shared<state>(state{std::move(*socket), std::move(made)}));
}

std::expected<listener, error> listen(std::string_view network, std::string_view address) {
    const auto where = parse_endpoint(network, address);
    if (!where)
        return std::unexpected(error({"listen", std::string(network), "", "", where.error()}, {}));
    auto made = stage5::listen(*where);
    if (!made) return std::unexpected(error(made.error(), {}));
    return listener::adopt(std::move(*made));
}

net_call<close_call> listener::close() const {
    remove_once(state_->made.path);
    return net_call<close_call>(*state_->socket);
}

void listener::close_now() const {
    remove_once(state_->made.path);
    state_->socket->close();
}

std::expected<void, error> listener::set_deadline(deadline when) const {
    if (state_->socket->set_deadline(direction::read, to_nanotime(when))) return {};
    return std::unexpected(closed_before(*state_->socket));
}

} // namespace stage5::net
