/// \file
/// Top-down: the loop that all calls share, and what each of them tries.

#include "fd.hpp"

#include "scheduler.hpp"

#include <algorithm>
#include <utility>

namespace stage5 {
namespace {

/// A call moves at most this much, so that none of them takes for ever. Go: maxRW.
constexpr std::size_t most_bytes = std::size_t{1} << 30;

/// Go: convertErr.
io_error::reason from(poll_status status) {
    if (status == poll_status::closing) return io_error::reason::net_closing;
    if (status == poll_status::timed_out) return io_error::reason::deadline_exceeded;
    return io_error::reason::not_pollable;
}

} // namespace

std::string io_error::message() const {
    switch (why) {
    case reason::none:
        return "no error";
    case reason::net_closing:
        return "use of closed network connection";
    case reason::deadline_exceeded:
        return "i/o timeout";
    case reason::not_pollable:
        return "not pollable";
    case reason::failed:
        break;
    }
    return call.message();
}

// [call]
bool fd_call::await_ready() {
    switch (on_.enter(*this, false)) {
    case fd::entry::in:
        return begin();
    case fd::entry::closed:
        error_.why = io_error::reason::net_closing;
        return true;
    case fd::entry::queued:
        break;
    }
    return false;
}

bool fd_call::await_suspend(std::coroutine_handle<> who) {
    who_ = who;
    if (!entered_) {
        switch (on_.enter(*this, true)) {
        case fd::entry::queued:
            return true; // ours no longer: who leaves wakes us
        case fd::entry::closed:
            error_.why = io_error::reason::net_closing;
            return false;
        case fd::entry::in:
            if (begin()) return false;
        }
    }
    return !wait();
}

/// The first try. Go tries always, and pays a third system call for most messages: who knows that
/// nothing is left may wait first. \return whether there is a result
bool fd_call::begin() {
    const bool skip_try = side_ == side::read && on_.drained_ && !on_.pd_->ended();
    auto status = prepare(skip_try);
    if (status == poll_status::timed_out && goes_on_ != nullptr && goes_on_(*this))
        status = prepare(skip_try);
    if (status != poll_status::ready) {
        error_.why = from(status);
        return true;
    }
    return !skip_try && attempt_(*this);
}

poll_status fd_call::prepare(bool skips_try) {
    return skips_try ? on_.pd_->check(side_) : on_.pd_->prepare(side_);
}

/// \return whether there is a result; if not, somebody else may already have woken us
bool fd_call::wait() {
    while (true) {
        const auto status = on_.pd_->block(side_, *this);
        if (status == poll_status::parked) return false;
        if (status != poll_status::ready) {
            error_.why = from(status);
            return true;
        }
        if (attempt_(*this)) return true;
    }
}

/// Woken: an edge, a deadline, a close; or the one before us has left.
void fd_call::take_turn(runnable& self) {
    auto& call = static_cast<fd_call&>(self);
    if (call.side_ == side::read) call.on_.drained_ = false; // something has come
    const bool waits = call.error_.why == io_error::reason::none && !call.begin() && !call.wait();
    if (!waits) call.who_.resume();
}
// [call]

bool fd_call::fail(const syscall_error& error) {
    if (would_block(error)) return false;
    error_ = {io_error::reason::failed, error};
    return true;
}

void fd_call::leave() {
    if (entered_) on_.leave(*this);
}

bool read_call::attempt(fd_call& self) {
    auto& call = static_cast<read_call&>(self);
    const auto buffer = scheduler::buffer();
    const auto n = call.on_.receive(buffer);
    if (!n) return call.fail(n.error());
    call.got_ = buffer.first(*n);
    return true;
}

std::expected<std::span<const char>, io_error> read_call::await_resume() {
    leave();
    if (error_.why != io_error::reason::none) return std::unexpected(error_);
    return got_;
}

bool write_call::attempt(fd_call& self) {
    auto& call = static_cast<write_call&>(self);
    while (!call.rest_.empty()) {
        const auto piece = call.rest_.first(std::min(call.rest_.size(), most_bytes));
        const auto n = stage5::write(call.on_.get(), piece);
        if (!n) return call.fail(n.error());
        call.rest_ = call.rest_.subspan(*n);
        if (*n == piece.size()) continue;
        if (call.kept_ == nullptr) call.keep_rest();
        if (*n != 0) call.expect_room();
        return false;
    }
    return true;
}

void write_call::expect_room() {
    if (patience_.count() == 0) return;
    unacknowledged_ = unacknowledged(on_.get());
    const nanotime present = now();
    on_.set_deadline(side::write, present + patience_.count(), present);
}

/// There is room to write only when a third of the kernel's buffer is free. A client that takes
/// little has taken something all the same.
bool write_call::goes_on(fd_call& self) {
    auto& call = static_cast<write_call&>(self);
    if (call.patience_.count() == 0 || unacknowledged(call.on_.get()) >= call.unacknowledged_)
        return false;
    call.expect_room();
    return true;
}

void write_call::keep_rest() {
    kept_ = std::make_unique_for_overwrite<char[]>(rest_.size());
    std::ranges::copy(rest_, kept_.get());
    rest_ = {kept_.get(), rest_.size()};
}

std::expected<void, io_error> write_call::await_resume() {
    leave();
    if (error_.why != io_error::reason::none) return std::unexpected(error_);
    return {};
}

bool accept_call::attempt(fd_call& self) {
    auto& call = static_cast<accept_call&>(self);
    auto client = stage5::accept(call.on_.get());
    if (!client) return call.fail(client.error());
    auto opened = fd::open(std::move(client->fd), call.on_.asks_);
    if (!opened) return call.fail(opened.error()); // the connection is closed, the listener is not
    call.client_ = std::move(*opened);
    return true;
}

std::expected<std::shared_ptr<fd>, io_error> accept_call::await_resume() {
    leave();
    if (error_.why != io_error::reason::none) return std::unexpected(error_);
    return std::move(client_);
}

} // namespace stage5
