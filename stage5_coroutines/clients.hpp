#pragma once
/// \file
/// The clients that are served, as a list: a stop must find all of them, and the accept loop must
/// know how many there are. A client is in the list as long as its served_client exists, which its
/// coroutine holds.

#include "net/conn.hpp"
#include "options.hpp"
#include "runtime/chan.hpp"
#include "runtime/wait_group.hpp"

#include <atomic>
#include <mutex>

namespace stage5 {

class served_client;

/// The list, and what the coroutine of each client has to know. Thread-safe.
class served_clients {
public:
    explicit served_clients(const options& of) : settings(of) {} ///< \param of the command line's

    /// Calls use(conn) for each client, with the list locked.
    template <typename Use>
    void for_each(const Use& use);

    const options settings; ///< of the command line
    /// True: the server stops, and each client gets its last answers.
    std::atomic<bool> stopping = false;
    time_point grace_ends;     ///< when the stop is over at the latest. Written before `stopping`
    chan<char> client_left{1}; ///< gets a value when a client has left
    wait_group connected;      ///< counts the clients

private:
    friend served_client;
    std::mutex mutex_; ///< protects the list
    served_client* first_ = nullptr;
};

/// A client that is served. Its destructor closes the connection.
class served_client {
public:
    /// Enters the list. \param all must outlive the served_client
    served_client(served_clients& all, net::conn who);
    served_client(served_client&& from) noexcept;       ///< replaces `from` in the list
    served_client& operator=(served_client&&) = delete; ///< it would have to close a connection
    ~served_client(); ///< closes the connection, then leaves the list
    const net::conn* operator->() const { return &conn_; }      ///< the client's connection
    const net::conn& operator*() const { return conn_; }        ///< the client's connection
    [[nodiscard]] served_clients& list() const { return all_; } ///< the list

private:
    friend served_clients;
    void link(served_client* previous, served_client* next);

    served_clients& all_;
    net::conn conn_; ///< empty in an object that was moved from
    served_client* previous_ = nullptr;
    served_client* next_ = nullptr;
};

template <typename Use>
void served_clients::for_each(const Use& use) {
    const std::lock_guard lock(mutex_);
    for (const served_client* each = first_; each != nullptr; each = each->next_) use(each->conn_);
}

} // namespace stage5
