/// \file
/// How a client enters the list, moves, and leaves it.

#include "clients.hpp"

#include "log.hpp"

#include <utility>

namespace stage5 {

served_client::served_client(served_clients& all, net::conn who)
    : all_(all), conn_(std::move(who)) {
    const std::lock_guard lock(all_.mutex_);
    link(nullptr, all_.first_);
    all_.connected.add();
}

/// Needed for the way from the accept loop into the frame of the coroutine.
served_client::served_client(served_client&& from) noexcept : all_(from.all_) {
    const std::lock_guard lock(all_.mutex_);
    conn_ = std::move(from.conn_); // NOLINT(cppcoreguidelines-prefer-member-initializer): locked
    link(from.previous_, from.next_);
}

/// Enters the list between these two; nullptr is an end of it. Requires the lock.
void served_client::link(served_client* previous, served_client* next) {
    previous_ = previous;
    next_ = next;
    (previous_ != nullptr ? previous_->next_ : all_.first_) = this;
    if (next_ != nullptr) next_->previous_ = this;
}

served_client::~served_client() {
    if (!conn_.socket()) return;
    if (verbose) log_event("disconnected from", conn_.remote_addr());
    conn_.close_now(); // before accept_loop() is woken, which needs the descriptor
    {
        const std::lock_guard lock(all_.mutex_);
        (previous_ != nullptr ? previous_->next_ : all_.first_) = next_;
        if (next_ != nullptr) next_->previous_ = previous_;
    }
    all_.client_left.try_send(0);
    all_.connected.done(); // last: then the server may be destroyed
}

} // namespace stage5
