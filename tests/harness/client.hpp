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

/// What a client saw that it should not have seen. Its numbers are for programs that report it in
/// words of their own.
class wrong_answer : public failure {
public:
    enum class kind {
        too_late,  ///< only `got` of `wanted` bytes came back within the limit
        no_end,    ///< the stream did not end within the limit, after `got` bytes
        ended,     ///< the server ended the stream after `got` of `wanted` bytes
        reset,     ///< the server reset the connection after `got` of `wanted` bytes
        not_taken, ///< the server took only `got` of `wanted` bytes within the limit
        too_many,  ///< `got` bytes came back that should not have come
        different  ///< the byte number `got` is not the one that was sent
    };
    wrong_answer(kind how, std::uint64_t got_bytes, std::uint64_t wanted_bytes,
                 const std::string& text)
        : failure(text), what_happened(how), got(got_bytes), wanted(wanted_bytes) {}

    kind what_happened;
    std::uint64_t got, wanted;
};

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
    /// It begins no other write while it is so many bytes ahead of what came back.
    std::uint64_t most_ahead = ~std::uint64_t{0};
};

/// A connection, seen from the client's side.
class client {
public:
    explicit client(const endpoint& to, int receive_buffer = 0, milliseconds limit = must_happen)
        : fd_(dial(to, limit, receive_buffer)) {}

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] endpoint local() const;

    void send_all(std::string_view bytes, milliseconds limit = must_happen);
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
    void expect_same(const pattern& bytes, std::span<const char> arrived, std::uint64_t at) const;
    /// recv: \return the count, 0 at the end, -1 for a reset, -2 if there is nothing yet
    ssize_t receive(char* into, std::size_t size);

    unique_fd fd_;
};

} // namespace harness
