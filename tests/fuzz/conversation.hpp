#pragma once
/// \file
/// A stage's whole server in this process, on this thread, and clients that follow a script. The
/// server's system calls go through kernel.cpp. Whenever it would sleep, the script takes its next
/// step, and so nothing depends on chance; the clock stands still but for steps that move it.
///
/// An input is a byte that says how (setting), and two bytes for each step: what and who, and how
/// much. When the script is over, clients end their streams and take what is due to them, and the
/// server is told to stop. What must hold:
///
///  - what a client gets is a beginning of what it has sent, at every moment;
///  - who ends the stream gets all of it, and the end; after a stop, all that the server has read;
///  - nobody waits while the server sleeps, and the server does not turn for nothing;
///  - when all clients are gone, so are their connections; and in the end every descriptor.

#include "fuzz/client.hpp"
#include "fuzz/fuzz.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <string>
#include <string_view>

namespace fuzz {

/// How the server is started; what a stage does not have it leaves out.
struct setting {
    explicit setting(std::uint8_t how);
    bool tcp;                             ///< or a Unix socket
    bool small;                           ///< little room to write, in a Unix socket
    bool lines;                           ///< --mode lines
    std::size_t most;                     ///< --max-connections
    std::chrono::nanoseconds idle, write; ///< the timeouts
    static constexpr std::chrono::seconds grace{5};
};

/// True if FUZZ_BREAK says that the server is to do `how` wrong, to see that it is found out:
///
///     lose, double, swap   a byte that is sent
///     forget               all that is sent after a stop
///     sleep                it is not notified of events
///     spin                 it is notified of events that have not happened
///     deaf                 it does not hear that it has to stop
///     leak, frame          a descriptor; a coroutine
bool broken(std::string_view how);

class conversation {
public:
    /// The one that is going on.
    static conversation* current;

    explicit conversation(input script);
    conversation(const conversation&) = delete;
    conversation& operator=(const conversation&) = delete;
    /// It is over, and the server has ended.
    ~conversation();

    [[nodiscard]] const setting& how() const { return how_; }
    /// From now on system calls are ours. \param door what clients connect to
    void begin(int door, const sockaddr* address, socklen_t length);

    // For kernel.cpp.
    /// Whose end of a connection that is, or nobody's.
    served* find(int fd);
    /// The server has accepted the next one. Clients come to it in the order in which they connect.
    void accepted(int fd);
    /// A call has been made for a connection: a step may be meant to happen right behind it.
    void between_calls();
    /// epoll_wait: sleeps while the script continues.
    int wait(int epoll, epoll_event* events, int most, std::int64_t timeout);
    [[nodiscard]] std::int64_t now() const { return now_; }
    [[nodiscard]] bool is_stopped() const { return all_.stopped; }

private:
    void take_steps();
    void take_step();
    static void plan(client& whom, unsigned what, std::uint8_t number);
    client* who(unsigned slot);
    void connect(unsigned slot);
    void stop();
    void pass(std::int64_t span);
    void wind_down(int epoll, std::int64_t wakes);
    bool of_all(bool (client::*what)());
    [[nodiscard]] bool something_arrives(int epoll);
    int look(int epoll, epoll_event* events, int most);

    setting how_;
    input script_;
    situation all_;
    int door_ = -1;
    const sockaddr* address_ = nullptr;
    socklen_t length_ = 0;
    std::deque<client> clients_;       ///< all that ever were
    std::array<client*, 3> present_{}; ///< those that the script speaks of
    std::size_t accepted_ = 0;
    int busy_ = 0; ///< calls and turns since the last step
    std::int64_t now_ = 1'000'000'000'000;
    std::int64_t stopped_ = 0, wound_down_ = 0; ///< when
    int patience_ = 500;
    std::size_t descriptors_ = 0;
};

/// Where Unix sockets are listened to: of this process.
std::string unix_name();

/// A listener for another server at the same place. \tparam Listener a stage's
template <typename Listener>
Listener copy_of(const Listener& door) {
    return {decltype(door.fd)(::fcntl(door.fd.get(), F_DUPFD_CLOEXEC, 0)), decltype(door.path)(""),
            door.network, door.local};
}

} // namespace fuzz
