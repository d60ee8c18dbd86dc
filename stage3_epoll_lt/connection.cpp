/// \file
/// advance() calls the function that belongs to the present state: echo() for reading,
/// write_unsent() for writing, linger() for lingering.

#include "connection.hpp"

#include "log.hpp"
#include "syscall/trace.hpp"

#include <sys/socket.h>

#include <utility>

namespace stage3 {

connection::connection(accepted client) : client_(std::move(client)) {
    log_event("serving", client_.peer);
}

interest connection::wanted_events() const noexcept {
    return state_ == state::writing ? interest::write : interest::read;
}

// [advance]
void connection::advance(std::span<char> buffer) {
    switch (state_) {
    case state::reading:
        return echo(buffer);
    case state::writing:
        return write_unsent();
    case state::lingering:
        return linger(buffer);
    case state::closed:
        return;
    }
}

void connection::echo(std::span<char> buffer) {
    const auto n = read(fd(), buffer);
    if (!n && would_block(n.error())) return; // nothing to read after all
    if (!n || *n == 0) return close();
    const auto message = buffer.first(*n);
    log_event("received from", client_.peer, message);

    // The send buffer usually has room for all of it, and then nothing needs to be stored.
    const auto taken = write(fd(), message);
    if (!taken) return close();
    log_event("sent to", client_.peer, message.first(*taken));
    if (*taken == message.size()) return;
    unsent_.assign(message.begin() + static_cast<std::ptrdiff_t>(*taken), message.end());
    sent_ = 0;
    state_ = state::writing;
}
// [advance]

void connection::write_unsent() {
    const auto rest = std::span(unsent_).subspan(sent_);
    const auto taken = write(fd(), rest);
    if (!taken) return close();
    log_event("sent to", client_.peer, rest.first(*taken));
    sent_ += *taken;
    if (sent_ == unsent_.size()) all_sent();
}

void connection::all_sent() {
    unsent_ = {}; // frees the memory: an idle connection uses none
    state_ = state::reading;
    if (!finishing_) return;
    ::shutdown(fd(), SHUT_WR);
    state_ = state::lingering;
}

void connection::finish() {
    finishing_ = true;
    if (state_ == state::reading) all_sent();
    if (state_ == state::lingering && is_all_acknowledged(fd())) close();
}

/// Reads and discards what the client still sends. If it stayed unread, close() would send a reset,
/// and that would destroy bytes on their way to the client.
void connection::linger(std::span<char> buffer) {
    const auto n = read(fd(), buffer);
    const bool ended = n ? *n == 0 : !would_block(n.error());
    if (ended) close();
}

void connection::close_with_reset() {
    reset_at_close(fd());
    close();
}

void connection::close() {
    log_event("disconnected from", client_.peer);
    trace::event("close", {.fd = fd()});
    state_ = state::closed;
}

} // namespace stage3
