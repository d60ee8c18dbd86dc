#pragma once
/// \file
/// One connection, from both ends: what its client does and may expect, and what the kernel knows
/// of the server's descriptor.

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace fuzz {

/// What concerns all clients of a server.
struct situation {
    bool tcp = false;
    bool small = false;   ///< the server has little room to write
    bool lines = false;   ///< nothing comes back before the newline
    bool stopped = false; ///< the server was asked to end
    bool late = false;    ///< a stop has taken longer than it may
};

/// What a call of the server's meets: an error, or no more than so many bytes.
struct fault {
    int error = 0;
    std::size_t most = std::numeric_limits<std::size_t>::max();
};

/// The server's end.
struct served {
    int fd = -1; ///< -1 before it is accepted, and when it has been closed
    bool accepted = false;
    std::size_t taken = 0;  ///< bytes that the server has read, and so has to send back
    std::int64_t heard = 0; ///< when it has accepted, or last read what extends the idle time
    std::int64_t paid = 0;  ///< when it last had sent everything back
    bool finished = false; ///< it has ended its sending direction: what it reads now it throws away
    bool dead = false;     ///< an error has ended the connection: nothing moves any more
    bool excused = false;  ///< it got an error, or the client waits for too long: it need not
                           ///< keep its promises
    std::array<fault, 2> next; ///< what the next read and the next write meet
    int epoll = -1;            ///< where it is watched, edge-triggered or not, and how
    epoll_event watched{};
};

class client {
public:
    /// Connects. \param number each sends bytes of its own
    client(std::size_t number, const sockaddr* to, socklen_t length, const situation& all);
    client(const client&) = delete;
    client& operator=(const client&) = delete;
    ~client() { leave(); }

    void send(std::size_t size);
    /// Reads the pending bytes, and checks them. \return whether there was anything, be it the end
    bool receive(std::size_t most);
    /// Says that nothing more will come. \return whether that is new
    bool shut_down();
    void reset();
    void leave();
    /// Takes all that is there. \return whether there was anything
    bool receive_all() { return receive(std::numeric_limits<std::size_t>::max()); }
    /// Says what time it is now. The server may cut off a client that has been silent for as long
    /// as `idle`, or has not read its echo for as long as `write`; 0: never.
    void time_has_passed(std::int64_t now, std::int64_t idle, std::int64_t write);
    /// True if it has to get anything before it does or says something itself.
    [[nodiscard]] bool waits() const;

    /// True if it has not gone.
    [[nodiscard]] bool is_here() const { return fd_ >= 0; }
    /// True if there is nothing left to do at either end.
    [[nodiscard]] bool is_over() const;

    served server;

private:
    void ended(int error);

    int fd_ = -1;
    const char* stream_; ///< what it sends
    std::size_t sent_ = 0, got_ = 0;
    bool shut_ = false, ended_ = false;
    const situation& all_;
};

} // namespace fuzz
