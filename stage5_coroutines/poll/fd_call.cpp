/// \file
/// How a call tries and waits, which is the same for all calls, and what each of them tries.

#include "fd_call.hpp"

#include "../syscall/socket.hpp"
#include "../syscall/trace.hpp"
#include "fd_write.hpp"

#include <algorithm>
#include <cerrno>

namespace stage5 {

// [call]
template <typename Call>
bool fd_call<Call>::begin() {
    switch (on_->mutex_.lock(direction_)) {
    case fd_mutex::lock_result::in:
        entered_ = true;
        yields_first_ = scheduler::should_yield(); // or a flood from one client starves others
        return !yields_first_ && first_try();
    case fd_mutex::lock_result::closed:
        why_ = io_error::reason::net_closing;
        return true;
    case fd_mutex::lock_result::busy:
        break;
    }
    return false;
}

template <typename Call>
bool fd_call<Call>::suspend(goroutine& who) try {
    who.wait_in(self(), &on_wake);
    if (yields_first_) {
        scheduler::current().put_last(who);
        return true;
    }
    bool has_result = false;
    if (!entered_) {
        const auto locked = on_->mutex_.lock(direction_, who, entered_);
        if (locked == fd_mutex::lock_result::busy) return true; // another worker may run it by now
        if (locked == fd_mutex::lock_result::closed) why_ = io_error::reason::net_closing;
        has_result = locked == fd_mutex::lock_result::closed || first_try();
    }
    if (!has_result && !wait(who)) return true;
    who.stop_waiting();
    return false;
} catch (...) { // no memory to queue: the await throws
    who.stop_waiting();
    throw;
}

/// Go's Read always begins with a try, and fails with EAGAIN for about every second message. Here a
/// call that knows that nothing is left skips the try and waits. \return true if there is a result
template <typename Call>
bool fd_call<Call>::first_try() {
    if (self().is_empty_read()) return true; // prepare() would consume an event
    const bool skips = self().skips_try();
    auto status = prepare(skips);
    if (status == poll_status::timed_out && self().extends_deadline()) status = prepare(skips);
    if (status != poll_status::ready) {
        fail(to_io_error(status));
        return true;
    }
    return !skips && self().attempt();
}

template <typename Call>
poll_status fd_call<Call>::prepare(bool skips) {
    return skips ? on_->pd_->check(direction_) : on_->pd_->prepare(direction_);
}

/// Parks, and tries whenever parking is refused because of an event.
/// \return true if there is a result; false if parked: another worker may have resumed it already
template <typename Call>
bool fd_call<Call>::wait(goroutine& who) {
    while (true) {
        trace::event("park", {.fd = on_->get(), .waiter = &who});
        const auto status = on_->pd_->block(direction_, who);
        if (status == poll_status::parked) return false;
        trace::event("not parked", {.fd = on_->get(), .waiter = &who}); // event, deadline or close
        if (status == poll_status::timed_out && self().extends_deadline()) continue;
        if (status != poll_status::ready) {
            fail(to_io_error(status));
            return true;
        }
        if (self().attempt()) return true;
    }
}

/// Runs when the call was woken. If it was parked: by an event, a deadline or a close. If it was
/// queued for its direction: by the call before it, or by a close (then entered_ is false).
template <typename Call>
void fd_call<Call>::on_wake(runnable& who) {
    auto& waiting = static_cast<goroutine&>(who);
    auto& call = waiting.call<Call>();
    if (!call.entered_)
        call.why_ = io_error::reason::net_closing;
    else if (call.direction_ == direction::read)
        call.on_->drained_ = false; // bytes may have come
    if (!call.entered_ || call.first_try() || call.wait(waiting)) waiting.resume();
}
// [call]

template <typename Call>
bool fd_call<Call>::ended_by(int number) {
    if (number != EAGAIN) fail({io_error::reason::failed, number});
    return failed();
}

template <typename Call>
void fd_call<Call>::leave() {
    if (std::exchange(entered_, false)) on_->leave(on_->mutex_.unlock(direction_));
}

template class fd_call<read_call>;
template class fd_call<borrowing_read_call>;
template class fd_call<accept_call>;
template class fd_call<writable_call>;
template class fd_call<slow_write>;

bool read_call::attempt() {
    const auto n = receive(into_);
    if (!n) return ended_by(n.error().number);
    count_ = *n;
    return true;
}

std::expected<std::size_t, io_error> read_call::result() {
    leave();
    if (failed()) return std::unexpected(error());
    return count_;
}

std::span<char> borrowing_read_call::lent() const {
    const auto all = scheduler::buffer();
    return all.first(std::min(static_cast<std::size_t>(number_), all.size()));
}

bool borrowing_read_call::attempt() {
    const auto n = receive(lent());
    if (!n) return ended_by(n.error().number);
    number_ = static_cast<int>(*n);
    return true;
}

std::expected<std::span<const char>, io_error> borrowing_read_call::result() {
    leave();
    if (failed()) return std::unexpected(error());
    return lent();
}

bool accept_call::attempt() {
    auto client = stage5::accept(on_->get());
    if (!client) return ended_by(client.error().number);
    // If that fails, the new connection is closed, and the listener stays.
    auto opened = fd::open(std::move(client->fd), client->peer);
    if (!opened) return ended_by(opened.error().number);
    client_ = std::move(*opened);
    return true;
}

std::expected<fd_ref, io_error> accept_call::result() {
    leave();
    if (failed()) return std::unexpected(error());
    return std::move(client_);
}

io_error writable_call::result() {
    leave();
    return error();
}

} // namespace stage5
