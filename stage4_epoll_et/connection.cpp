/// \file
/// advance() calls the function that belongs to the present state: echo() for reading,
/// write_unsent() for writing, linger() for lingering. They return false if the connection has to
/// wait.

#include "connection.hpp"

#include "log.hpp"

#include <sys/socket.h>

#include <utility>

namespace stage4 {
namespace {

/// After this many buffers, a connection with endless input yields to the others. It must be queued
/// again then, because no event reports a second time what is still unread.
constexpr int max_buffers_per_run = 16;

} // namespace

connection::connection(fd socket, shared_state& around)
    : runnable(around.queue, &on_wake), socket_(std::move(socket)), shared_(around) {
    set_idle_deadline();
    if (!verbose) return;
    peer_ = std::make_unique<address>();
    ::getpeername(socket_.get(), &peer_->any, &peer_->length);
    log_event("serving", *peer_);
}

void connection::on_wake(runnable& who) {
    auto& self = static_cast<connection&>(who);
    self.shared_.run_connection(self);
}

// [advance]
bool connection::advance() {
    for (int i = 0; i < max_buffers_per_run; ++i) {
        bool continues = false;
        switch (state_) {
        case state::reading:
            continues = echo();
            break;
        case state::writing:
            continues = write_unsent();
            break;
        case state::lingering:
            continues = linger();
            break;
        case state::closed: // the pending calls must return before the descriptor is freed
            static_cast<void>(socket_.read({}, *this));
            static_cast<void>(socket_.write({}, sent_, *this));
            break;
        }
        if (!continues) return false;
    }
    return true;
}

bool connection::echo() {
    if (finishing_) {
        all_sent();
        return true;
    }
    const auto n = socket_.read(shared_.buffer, *this);
    if (!n && n.error().is_pending()) return false;
    if (!n || *n == 0) return close();
    const auto message = std::span(shared_.buffer).first(*n);
    if (peer_) log_event("received from", *peer_, message);

    // The send buffer usually has room for all of it, and then nothing needs to be stored.
    std::size_t taken = 0;
    const auto sent = socket_.write(message, taken, *this);
    if (!sent && !sent.error().is_pending()) return close();
    if (peer_) log_event("sent to", *peer_, message.first(taken));
    if (sent) {
        set_idle_deadline();
        return true;
    }
    state_ = state::writing;
    sent_ = 0;
    unsent_.assign(message.begin() + static_cast<std::ptrdiff_t>(taken), message.end());
    set_write_deadline();
    return false;
}
// [advance]

bool connection::write_unsent() {
    const auto before = sent_;
    const auto sent = socket_.write(unsent_, sent_, *this);
    if (peer_) log_event("sent to", *peer_, std::span(unsent_).subspan(before, sent_ - before));
    if (!sent && sent.error().is_timeout() && client_took_bytes()) {
        set_write_deadline();
        return true;
    }
    if (!sent && !sent.error().is_pending()) return close();
    if (sent)
        all_sent();
    else if (sent_ != before)
        set_write_deadline();
    return sent.has_value();
}

void connection::all_sent() {
    unsent_ = {}; // frees the memory: an idle connection uses none
    socket_.set_deadline(direction::write,
                         0); // it was for these bytes; later ones get a new deadline
    state_ = finishing_ ? state::lingering : state::reading;
    if (!finishing_) return set_idle_deadline();
    socket_.shutdown_write();
    socket_.set_deadline(direction::read, 0);
}

/// Sets the read deadline for the next message, with --idle-timeout. Usually this only stores a
/// later time, see basic_poll_desc::postpone().
void connection::set_idle_deadline() {
    const auto span = shared_.settings.idle_timeout.count();
    if (span == 0) return;
    const nanotime present = now();
    socket_.set_deadline(direction::read, present + span, present);
}

/// Sets the write deadline, with --write-timeout; called again whenever bytes have been sent.
void connection::set_write_deadline() {
    const auto span = shared_.settings.write_timeout.count();
    if (span == 0) return;
    unacknowledged_ = unacknowledged(socket_.get());
    const nanotime present = now();
    socket_.set_deadline(direction::write, present + span, present);
}

/// Returns true if the client's kernel has acknowledged bytes since the write deadline was set. The
/// socket becomes writable only when a third of its buffer is free. A client that reads slowly may
/// not get that far in time, but it must not be cut off.
bool connection::client_took_bytes() const {
    return unacknowledged(socket_.get()) < unacknowledged_;
}

/// A deadline in the past wakes the parked read. Go interrupts a Read in the same way.
void connection::finish() {
    if (!finishing_ && state_ == state::reading) socket_.set_deadline(direction::read, 1);
    finishing_ = true;
    if (state_ == state::lingering && is_all_acknowledged(socket_.get())) close();
}

/// Reads and discards what the client still sends. If it stayed unread, close() would send a reset,
/// and that would destroy bytes on their way to the client.
bool connection::linger() {
    const auto n = socket_.read(shared_.buffer, *this);
    if (n && *n > 0) return true;
    if (!n && n.error().is_pending()) return false;
    return close();
}

void connection::close_with_reset() {
    reset_at_close(socket_.get());
    close();
}

/// Closes the socket. \return false, as the functions of states do: there is nothing left to run
bool connection::close() {
    if (state_ != state::closed && peer_) log_event("disconnected from", *peer_);
    state_ = state::closed;
    socket_.close();
    return false;
}

} // namespace stage4
