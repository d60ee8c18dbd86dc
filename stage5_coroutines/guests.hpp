#pragma once
/// \file
/// Who is being served: a list that a client is in as long as its coroutine holds its guest, so
/// that a stop finds them all, and the accept loop knows how many there are.

#include "chan.hpp"
#include "net.hpp"

#include <cstddef>
#include <mutex>

namespace stage5 {

class guest;

/// All of them. Thread-safe.
class guests {
public:
    /// Calls use(conn) for each; not for one that comes meanwhile.
    template <typename Use>
    void for_each(const Use& use);
    /// How many there are.
    std::size_t count() {
        const std::lock_guard lock(mutex_);
        return count_;
    }

    chan<char> room{1};  ///< one has left, so that another may come
    chan<char> fewer{1}; ///< the same for who waits until all have left

private:
    friend guest;
    std::mutex mutex_; ///< protects what follows, and the guests' places
    guest* first_ = nullptr;
    std::size_t count_ = 0;
};

/// A client that is served; where it goes away, the connection is closed.
class guest {
public:
    /// One of `all` from here on, which must outlive it.
    guest(guests& all, net::conn who);
    guest(guest&& from) noexcept;       ///< in the place of `from`, which is nobody any more
    guest& operator=(guest&&) = delete; ///< it would close somebody in passing
    ~guest();                           ///< closes, then says that there is room
    const net::conn* operator->() const { return &conn_; } ///< whose client it is
    const net::conn& operator*() const { return conn_; }   ///< the same

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
