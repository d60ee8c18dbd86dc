/// \file
/// advance() calls the function that belongs to the present state: echo() for reading, write_owed()
/// for writing, linger() for lingering. They return false if the connection has to wait.

#include "connection.hpp"

#include "log.hpp"

#include <sys/socket.h>

#include <utility>

namespace stage4 {
namespace {

/// After this many buffers, a connection with endless input yields to the others. It must be queued
/// again then, because no event reports a second time what is still unread.
constexpr int buffers_a_turn = 16;

} // namespace

connection::connection(fd socket, surroundings& around)
    : runnable(around.queue, &take_turn), socket_(std::move(socket)), around_(around) {
    expect_bytes();
    if (!verbose) return;
    peer_ = std::make_unique<address>();
    ::getpeername(socket_.get(), &peer_->any, &peer_->length);
    note("serving", *peer_);
}

void connection::take_turn(runnable& who) {
    auto& self = static_cast<connection&>(who);
    self.around_.turn(self);
}

// [advance]
bool connection::advance() {
    for (int i = 0; i < buffers_a_turn; ++i) {
        bool goes_on = false;
        switch (state_) {
        case state::reading:
            goes_on = echo();
            break;
        case state::writing:
            goes_on = write_owed();
            break;
        case state::lingering:
            goes_on = linger();
            break;
        case state::closed: // the pending calls must return before the descriptor is freed
            static_cast<void>(socket_.read({}, *this));
            static_cast<void>(socket_.write({}, paid_, *this));
            break;
        }
        if (!goes_on) return false;
    }
    return true;
}

bool connection::echo() {
    if (finishing_) {
        nothing_owed();
        return true;
    }
    const auto n = socket_.read(around_.buffer, *this);
    if (!n && n.error().is_pending()) return false;
    if (!n || *n == 0) return close();
    const auto message = std::span(around_.buffer).first(*n);
    if (peer_) note("received from", *peer_, message);

    // The send buffer usually has room for all of it, and then nothing needs to be stored.
    std::size_t taken = 0;
    const auto sent = socket_.write(message, taken, *this);
    if (!sent && !sent.error().is_pending()) return close();
    if (peer_) note("sent to", *peer_, message.first(taken));
    if (sent) {
        expect_bytes();
        return true;
    }
    state_ = state::writing;
    paid_ = 0;
    owed_.assign(message.begin() + static_cast<std::ptrdiff_t>(taken), message.end());
    expect_room();
    return false;
}
// [advance]

bool connection::write_owed() {
    const auto before = paid_;
    const auto sent = socket_.write(owed_, paid_, *this);
    if (peer_) note("sent to", *peer_, std::span(owed_).subspan(before, paid_ - before));
    if (!sent && sent.error().is_timeout() && took_something()) {
        expect_room();
        return true;
    }
    if (!sent && !sent.error().is_pending()) return close();
    if (sent)
        nothing_owed();
    else if (paid_ != before)
        expect_room();
    return sent.has_value();
}

void connection::nothing_owed() {
    owed_ = {};                           // frees the memory: an idle connection uses none
    socket_.set_deadline(side::write, 0); // it was for these bytes; later ones get a new deadline
    state_ = finishing_ ? state::lingering : state::reading;
    if (!finishing_) return expect_bytes();
    socket_.shutdown_write();
    socket_.set_deadline(side::read, 0);
}

/// Sets the read deadline for the next message, with --idle-timeout. Usually this only stores a
/// later time, see basic_poll_desc::postpone().
void connection::expect_bytes() {
    const auto span = around_.how.idle_timeout.count();
    if (span == 0) return;
    const nanotime present = now();
    socket_.set_deadline(side::read, present + span, present);
}

/// Sets the write deadline, with --write-timeout; called again whenever bytes have been sent.
void connection::expect_room() {
    const auto span = around_.how.write_timeout.count();
    if (span == 0) return;
    unacknowledged_ = unacknowledged(socket_.get());
    const nanotime present = now();
    socket_.set_deadline(side::write, present + span, present);
}

/// Returns true if the client's kernel has acknowledged bytes since the write deadline was set. The
/// socket becomes writable only when a third of its buffer is free. A client that reads slowly may
/// not get that far in time, but it must not be cut off.
bool connection::took_something() const {
    return unacknowledged(socket_.get()) < unacknowledged_;
}

/// A deadline in the past wakes the parked read. Go interrupts a Read in the same way.
void connection::finish() {
    if (!finishing_ && state_ == state::reading) socket_.set_deadline(side::read, 1);
    finishing_ = true;
    if (state_ == state::lingering && is_all_acknowledged(socket_.get())) close();
}

/// Reads and discards what the client still sends. If it stayed unread, close() would send a reset,
/// and that would destroy bytes on their way to the client.
bool connection::linger() {
    const auto n = socket_.read(around_.buffer, *this);
    if (n && *n > 0) return true;
    if (!n && n.error().is_pending()) return false;
    return close();
}

void connection::cut_off() {
    reset_at_close(socket_.get());
    close();
}

/// Closes the socket. \return false, as the functions of states do: there is nothing left to run
bool connection::close() {
    if (state_ != state::closed && peer_) note("disconnected from", *peer_);
    state_ = state::closed;
    socket_.close();
    return false;
}

} // namespace stage4
