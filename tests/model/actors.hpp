#pragma once
/// \file
/// The actors: some call a descriptor, others do something to it at the same time. They run the
/// real poll_desc; what is around it (netpoll.cpp, fd.cpp, the kernel) is retold here.

#include "explorer.hpp"

namespace model {

enum class direction : std::uint8_t { read, write };

/// How a client goes about it.
enum class manner : std::uint8_t {
    tries_first,  ///< prepare, try, wait, try again: fd::read, fd::write, fd::accept
    may_skip,     ///< fd::read of a TCP socket: waits first when the read before was short
    waits_first,  ///< fd::connect: no prepare
    forgets_edge, ///< a mistake: prepare, then wait without a try
};

/// A call, again and again, until `wanted` bytes have come or it fails.
struct role {
    std::size_t client; ///< 0 and 1 use the first socket, 2 the second
    direction where = direction::read;
    std::uint8_t wanted = 1;
    manner how = manner::tries_first;
    std::uint8_t room = 255; ///< in the buffer of each read
};
actor client(std::string name, role me);

/// What happens in a socket: single bytes (or room for them), then perhaps the end.
actor network(std::size_t socket, direction where, int bytes, bool end = false);
/// What the peer sends to the first socket: each string arrives at once. '.' is a byte, '!' an
/// urgent one, '$' the end.
actor peer(const std::vector<std::string>& segments);

/// How the poller goes about an event.
enum class delivery : std::uint8_t {
    marks_first, ///< netpoll::wait
    marks_last,  ///< a mistake: the mark comes after the edge
    no_pri,      ///< a mistake: registered without EPOLLPRI
};
/// netpoll::wait, its first half: collects an event, and later delivers it to its waiter.
actor poller(delivery how = delivery::marks_first);
/// netpoll::wait, its second half: expires the deadline once its time has come.
actor timers();
actor clock(int ticks);
/// fd::set_deadline for the reader, once for each time.
actor setter(const std::vector<int>& times, std::string name = "setter");
/// fd::close; when the last call has left, another socket gets the poll_desc, if it is to.
actor closer(bool reuse = false);

/// Before all: the first socket is there, its reader has that deadline.
void open_first(int deadline);

/// Checks what must hold when no actor can continue.
void check_quiet(const world& end);

} // namespace model
