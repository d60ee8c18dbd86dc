/// \file
/// How a guest enters the list, is moved, and leaves.

#include "guests.hpp"

#include "log.hpp"

#include <utility>

namespace stage5 {

guest::guest(guests& all, net::conn who) : all_(all), conn_(std::move(who)) {
    const std::lock_guard lock(all_.mutex_);
    take_place(nullptr, all_.first_);
    all_.present.add();
}

/// A guest moves, for example, from an argument into the frame of the coroutine.
guest::guest(guest&& from) noexcept : all_(from.all_) {
    const std::lock_guard lock(all_.mutex_);
    conn_ = std::move(from.conn_); // NOLINT(cppcoreguidelines-prefer-member-initializer): locked
    take_place(from.before_, from.behind_);
}

/// Enters the list between these two; nullptr is an end of it. Requires the lock.
void guest::take_place(guest* before, guest* behind) {
    before_ = before;
    behind_ = behind;
    (before_ != nullptr ? before_->behind_ : all_.first_) = this;
    if (behind_ != nullptr) behind_->before_ = this;
}

guest::~guest() {
    if (!conn_.socket()) return;
    if (verbose) note("disconnected from", conn_.remote_addr());
    conn_.evict(); // before accept_loop() is woken, which needs the descriptor
    {
        const std::lock_guard lock(all_.mutex_);
        (before_ != nullptr ? before_->behind_ : all_.first_) = behind_;
        if (behind_ != nullptr) behind_->before_ = before_;
    }
    all_.room.try_send(0);
    all_.present.done(); // last: then the server may be destroyed
}

} // namespace stage5
