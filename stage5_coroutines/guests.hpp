#pragma once
/// \file
/// The clients that are being served: a list that a client is in as long as its coroutine holds its
/// guest. So a stop finds all of them, and the accept loop knows how many there are.

#include "chan.hpp"
#include "net.hpp"
#include "options.hpp"
#include "wait_group.hpp"

#include <atomic>
#include <mutex>

namespace stage5 {

class guest;

/// All clients of a server, and what each of their coroutines has to know. Thread-safe.
class guests {
public:
    explicit guests(const options& of) : settings(of) {} ///< \param of the command line's

    /// Calls use(conn) for each client; not for one that comes meanwhile.
    template <typename Use>
    void for_each(const Use& use);

    const options settings; ///< the command line's
    std::atomic<bool> leaving =
        false;             ///< the server stops: each answers what it has read, and ends
    time_point grace_ends; ///< then at the latest. Written before `leaving`
    chan<char> room{1};    ///< receives something when a client has left
    wait_group present;    ///< counts the clients

private:
    friend guest;
    std::mutex mutex_; ///< protects the list
    guest* first_ = nullptr;
};

/// A client that is served. Its connection is closed when its guest goes away.
class guest {
public:
    /// Puts `who` into the list. \param all must outlive the guest
    guest(guests& all, net::conn who);
    guest(guest&& from) noexcept;       ///< takes the place of `from`, which is no client any more
    guest& operator=(guest&&) = delete; ///< it would close a connection in passing
    ~guest();                           ///< closes the connection, then leaves the list
    const net::conn* operator->() const { return &conn_; } ///< the client's connection
    const net::conn& operator*() const { return conn_; }   ///< the client's connection
    [[nodiscard]] guests& all() const { return all_; }     ///< the list that it is in

private:
    friend guests;
    void take_place(guest* before, guest* behind);

    guests& all_;
    net::conn conn_; ///< none once it has been moved
    guest* before_ = nullptr;
    guest* behind_ = nullptr;
};

template <typename Use>
void guests::for_each(const Use& use) {
    const std::lock_guard lock(mutex_);
    for (const guest* each = first_; each != nullptr; each = each->behind_) use(each->conn_);
}

} // namespace stage5
