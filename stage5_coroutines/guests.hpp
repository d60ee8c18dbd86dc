#pragma once
/// \file
/// The list of the clients that are served. A client is in the list as long as its coroutine has
/// its guest. So a stop finds all clients, and the accept loop knows how many there are.

#include "chan.hpp"
#include "net.hpp"
#include "options.hpp"
#include "wait_group.hpp"

#include <atomic>
#include <mutex>

namespace stage5 {

class guest;

/// The list, and what the coroutine of each client has to know. Thread-safe.
class guests {
public:
    explicit guests(const options& of) : settings(of) {} ///< \param of the command line's

    /// Calls use(conn) for each client, with the list locked.
    template <typename Use>
    void for_each(const Use& use);

    const options settings; ///< of the command line
    std::atomic<bool> leaving =
        false;             ///< true: the server stops, each client gets its last answers
    time_point grace_ends; ///< when the stop is over at the latest. Written before `leaving`
    chan<char> room{1};    ///< gets a value when a client has left
    wait_group present;    ///< counts the clients

private:
    friend guest;
    std::mutex mutex_; ///< protects the list
    guest* first_ = nullptr;
};

/// A client that is served. Its connection is closed when its guest is destroyed.
class guest {
public:
    /// Enters the list. \param all must outlive the guest
    guest(guests& all, net::conn who);
    guest(guest&& from) noexcept;       ///< takes the place of `from` in the list
    guest& operator=(guest&&) = delete; ///< it would have to close a connection
    ~guest();                           ///< closes the connection, then leaves the list
    const net::conn* operator->() const { return &conn_; } ///< the client's connection
    const net::conn& operator*() const { return conn_; }   ///< the client's connection
    [[nodiscard]] guests& all() const { return all_; }     ///< the list

private:
    friend guests;
    void take_place(guest* before, guest* behind);

    guests& all_;
    net::conn conn_; ///< empty once this guest has been moved from
    guest* before_ = nullptr;
    guest* behind_ = nullptr;
};

template <typename Use>
void guests::for_each(const Use& use) {
    const std::lock_guard lock(mutex_);
    for (const guest* each = first_; each != nullptr; each = each->behind_) use(each->conn_);
}

} // namespace stage5
