#pragma once
/// \file
/// `net.Listener`: a socket that accepts connections, as a handle.

#include "conn.hpp"
#include "listen.hpp"

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace stage5::net {

/// A listening socket. Thread-safe; several coroutines may accept. Go: net.Listener.
class listener {
public:
    /// Registers what stage5::listen() has made with the scheduler's poller.
    static std::expected<listener, error> adopt(stage5::listener made);

    /// Waits for the next connection. Go: Listener.Accept
    [[nodiscard]] net_call<accept_call> accept() const {
        return net_call<accept_call>(*state_->socket);
    }
    /// Closes, so that all calls of accept() fail, and removes a Unix socket's file.
    /// Go: Listener.Close
    [[nodiscard]] net_call<close_call> close() const;
    void close_now() const; ///< like close(), but does not wait for calls in progress

    /// Returns the address, with the port that the kernel chose. Go: Listener.Addr
    [[nodiscard]] const address& addr() const { return state_->made.local; }
    /// Returns the address as a command line takes it: "127.0.0.1:43121", "unix:/run/echo.sock".
    [[nodiscard]] std::string name() const { return state_->made.name(); }
    /// Sets the deadline of accept(). Go: TCPListener.SetDeadline
    std::expected<void, error> set_deadline(deadline when) const;

private:
    struct state {
        fd_ref socket;
        /// What stage5::listen() has made, but for the socket. It is declared after the socket, so
        /// that a Unix socket's file is removed before the socket is closed.
        stage5::listener made;
    };
    explicit listener(std::shared_ptr<state> all) noexcept : state_(std::move(all)) {}
    std::shared_ptr<state> state_;
};

/// Listens at an address of a network: "tcp", "tcp4", "tcp6" or "unix". Blocks the thread while it
/// looks up a name. Go: net.Listen
std::expected<listener, error> listen(std::string_view network, std::string_view address);

} // namespace stage5::net
