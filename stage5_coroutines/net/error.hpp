#pragma once
/// \file
/// The errors of connections and listeners: `net.OpError`, with what programs ask of it.

#include "../poll/fd.hpp"
#include "op_error.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace stage5::net {

/// Which operation has failed, on which addresses, and why. Go: net.OpError, as an error.
class error {
public:
    /// \param done how many bytes a write had written before
    error(op_error what, io_error why, std::size_t done = 0)
        : details_(std::make_unique<details>(details{std::move(what), why, done})) {}
    /// Copies the details; may throw std::bad_alloc.
    error(const error& other) : details_(std::make_unique<details>(*other.details_)) {}
    error(error&&) noexcept = default; ///< a moved-from error may only be assigned to
    /// Takes over the details of `other`.
    error& operator=(error other) noexcept {
        std::swap(details_, other.details_);
        return *this;
    }
    ~error() = default; ///< an error may be ignored

    /// "read tcp 127.0.0.1:8080->127.0.0.1:51312: i/o timeout". Go: Error.
    [[nodiscard]] std::string message() const { return what().message(); }
    /// The operation, the addresses and the cause, one by one. Go: the fields of OpError
    [[nodiscard]] const op_error& what() const { return details_->what; }
    /// True if a deadline has expired: trying again with a later one may succeed.
    /// Go: net.Error.Timeout.
    [[nodiscard]] bool is_timeout() const { return is(io_error::reason::deadline_exceeded); }
    /// True if the connection or listener was closed by this program. Go: errors.Is(err,
    /// net.ErrClosed).
    [[nodiscard]] bool is_closed() const { return is(io_error::reason::net_closing); }
    /// errno of the system call that has failed, or 0 if the cause is another.
    [[nodiscard]] int number() const { return details_->why.number; }
    /// How many bytes a write had written before it failed. Go: the n that comes with the err.
    [[nodiscard]] std::size_t done() const { return details_->done; }

private:
    struct details {
        op_error what;
        io_error why;
        std::size_t done;
    };
    [[nodiscard]] bool is(io_error::reason why) const { return details_->why.why == why; }
    std::unique_ptr<details> details_; ///< allocated, so that a success needs little room
};

/// Makes the error of a call of a connection or listener. \param done bytes written before
error failure(const fd& of, std::string_view op, io_error why, std::size_t done);
/// Makes an error whose cause is no system call. \param why in words
error failure(const fd& of, std::string_view op, std::string why);

/// Makes the error of setting a deadline after close(). It names our own address only, as in
/// Go: conn.SetDeadline
error closed_before(const fd& of);

} // namespace stage5::net
