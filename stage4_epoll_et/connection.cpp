/// \file
/// Each function is one state's turn: false where it has to wait.

#include "connection.hpp"

#include "log.hpp"

#include <sys/socket.h>

#include <utility>

namespace stage4 {
namespace {

/// A client with endless input gives way after so many buffers. Its edge is spent, but it is
/// queued again, and begins with a try.
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
        case state::closed: // while a call was pending: let it return
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

    // Most often the client takes it all, and nothing needs to be kept.
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
    owed_ = {};                           // an idle connection keeps no memory
    socket_.set_deadline(side::write, 0); // which was about these bytes, not about later ones
    state_ = finishing_ ? state::lingering : state::reading;
    if (!finishing_) return expect_bytes();
    socket_.shutdown_write();
    socket_.set_deadline(side::read, 0);
}

/// --idle-timeout, anew for each message: most often a store and nothing else.
void connection::expect_bytes() {
    const auto span = around_.how.idle_timeout.count();
    if (span == 0) return;
    const nanotime present = now();
    socket_.set_deadline(side::read, present + span, present);
}

/// --write-timeout, anew whenever the client has taken something.
void connection::expect_room() {
    const auto span = around_.how.write_timeout.count();
    if (span == 0) return;
    unacknowledged_ = unacknowledged(socket_.get());
    const nanotime present = now();
    socket_.set_deadline(side::write, present + span, present);
}

/// There is room to write only when a third of the kernel's buffer is free. A client that takes
/// little has taken something all the same.
bool connection::took_something() const {
    return unacknowledged(socket_.get()) < unacknowledged_;
}

/// A deadline in the past wakes who waits to read: Go's own way to interrupt a Read.
void connection::finish() {
    if (!finishing_ && state_ == state::reading) socket_.set_deadline(side::read, 1);
    finishing_ = true;
    if (state_ == state::lingering && is_all_acknowledged(socket_.get())) close();
}

/// Takes what the client still sends, so that it is not answered with a reset: that would destroy
/// what we have sent. Nobody is told when the client has everything: whoever called finish()
/// looks again.
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

/// \return false: there is nothing more to do
bool connection::close() {
    if (state_ != state::closed && peer_) note("disconnected from", *peer_);
    state_ = state::closed;
    socket_.close();
    return false;
}

} // namespace stage4
