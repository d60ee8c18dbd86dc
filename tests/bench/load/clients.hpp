#pragma once
/// \file
/// The connections of a load: opened, written, read and checked from one thread over epoll. What
/// they do with it is the modes' business (modes.hpp).

#include "load/options.hpp"

#include "harness/endpoint.hpp"
#include "harness/unique_fd.hpp"

#include <sys/epoll.h>

#include <array>
#include <deque>
#include <functional>
#include <vector>

namespace bench {

nanotime now() noexcept;

/// A connection. All of them send the same endless stream of bytes, each from a place of its own.
struct connection {
    harness::unique_fd fd;
    std::uint64_t first = 0; ///< its place in the stream
    std::uint64_t goal = 0;  ///< how many bytes it has to send by now
    std::uint64_t sent = 0, got = 0;
    nanotime since = 0; ///< when its message was sent, or should have been
    nanotime due = 0;   ///< mode::rate: when the next one has to be sent

    /// True if everything that it had to send has come back.
    [[nodiscard]] bool at_rest() const noexcept { return got == goal; }
};

/// The server ended a connection. What that means is up to the mode.
class ended : public harness::failure {
public:
    using failure::failure;
};

class clients {
public:
    /// \param piece the most bytes of one send(2)
    /// \throws harness::failure if `to` is no address of this machine's own
    clients(harness::endpoint to, std::size_t piece);

    /// Opens a new connection, which is still being established.
    connection& open();
    /// Connects a connection again that has been closed, and starts it from the beginning.
    void open_again(connection& one);

    /// Waits until something is ready, or until `limit`, and hands what is ready to `ready`.
    void turn(nanotime limit, const std::function<void(connection&)>& ready);

    /// Sends what is left up to the goal, as far as it is taken now.
    void push(connection& one) const;
    /// Reads the bytes that have come back, and checks them. \throws ended, and failure for wrong
    /// bytes
    void pull(connection& one);

    std::deque<connection> all; ///< addresses stay: epoll has them

private:
    void compare(const connection& one, std::size_t count) const;
    [[nodiscard]] const char* bytes_at(const connection& one, std::uint64_t position) const;

    static constexpr std::size_t longest = 65536; // of a send and of a receive
    // A prime: no message size divides it, so a piece that is lost or doubled shows.
    static constexpr std::size_t period = 65521;

    harness::endpoint to_;
    std::size_t piece_;
    std::uint64_t opened_ = 0;
    harness::unique_fd epoll_;
    std::array<epoll_event, 512> events_{};
    std::vector<char> stream_; // a period, and once more as much as can be sent at a time
    std::vector<char> buffer_ = std::vector<char>(longest);
};

} // namespace bench
