#pragma once
/// \file
/// One client of an echo server. Its calls wait, with a limit, and throw a `failure` that says
/// what the client saw when it is not what it had to see.

#include "harness/endpoint.hpp"
#include "harness/pattern.hpp"

#include <poll.h>

#include <functional>
#include <string>
#include <string_view>

namespace harness {

/// What came in up to the end of a stream.
struct rest {
    std::string bytes;
    bool reset = false; ///< it ended by a reset, not by an end of file
};

/// How a client holds a conversation with exchange().
struct conversation {
    pattern bytes{1};
    std::uint64_t size = 0; ///< of what it sends, in bytes
    /// The size of each write; unset: 64 KiB.
    std::function<std::size_t()> next_piece = {};
    bool half_close = false;       ///< SHUT_WR after the last byte, then expect the end
    std::size_t read_size = 65536; ///< the most it takes at a time
};

/// A connection, seen from the client's side.
class client {
public:
    explicit client(const endpoint& to, int receive_buffer = 0)
        : fd_(dial(to, must_happen, receive_buffer)) {}

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] endpoint local() const;

    void send_all(std::string_view bytes);
    /// Sends as much as is taken now. \return how much that was; 0 if nothing was
    std::size_t send_some(std::string_view bytes);
    /// Sends `bytes` from offset 0 on until nothing was taken for `quiet`, or `most` was.
    /// \return how many were taken
    std::uint64_t send_until_stuck(const pattern& bytes, std::uint64_t most, milliseconds quiet);
    void send_urgent(char byte); ///< MSG_OOB

    std::string receive_exactly(std::size_t size, milliseconds limit = must_happen);
    /// What is there at once, at most `size`; nothing at the end as well.
    std::string receive_some(std::size_t size);
    /// True if neither a byte nor the end arrives for as long as `time`.
    [[nodiscard]] bool hears_nothing_for(milliseconds time) const {
        return wait(POLLIN, deadline(time)) == 0;
    }
    /// Everything up to the end, however it comes.
    rest receive_rest(milliseconds limit = must_happen);
    /// The stream must be at its end, in good order: no bytes, no reset.
    void expect_end(milliseconds limit = must_happen);
    /// Sends and expects the same back.
    void echo(std::string_view bytes, milliseconds limit = must_happen);
    /// Sends and receives at the same time, as `how` says, and checks every byte. `limit` is for
    /// each time that nothing at all moves, not for the whole.
    void exchange(const conversation& how, milliseconds limit = must_happen);

    void shutdown_write();
    void reset(); ///< SO_LINGER 0 and close: the server gets an RST
    void close() { fd_.reset(); }

private:
    /// Waits for any of `events` (poll(2)) and returns those that are there; 0 at the limit.
    short wait(short events, const deadline& end) const;
    /// recv: \return the count, 0 at the end, -1 for a reset, -2 if there is nothing yet
    ssize_t receive(char* into, std::size_t size);

    unique_fd fd_;
};

} // namespace harness
