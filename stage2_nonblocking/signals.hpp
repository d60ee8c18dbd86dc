#pragma once
/// \file
/// What SIGINT and SIGTERM do:
///
///     when                             signal      effect
///     before open_stop_event()         any         ends the process
///     afterwards, no stop requested    the first   requests a stop: the eventfd becomes readable
///     afterwards, stop was requested   the next    ends the process
///
/// The signal handler itself does this, because every thread may be blocked when a signal arrives:
/// in a lookup that no name server answers, or in a write to a log that nothing reads.
/// Go: runtime.sighandler, os/signal.Notify.

#include "syscall/syscall_error.hpp"
#include "syscall/unique_fd.hpp"

#include <expected>

namespace stage2 {

/// Makes SIGINT and SIGTERM end the process at once, with status 0. Nothing is cleaned up then: the
/// file of a Unix socket stays, unless a graceful stop has removed it before. Must be the first
/// call in main().
void end_on_stop_signals();

/// Opens an eventfd. The next signal makes it readable instead of ending the process; every later
/// signal ends the process. Call it once per server, as soon as the listening socket exists: only
/// a graceful stop removes the file of a Unix socket.
/// \return the eventfd, or the error of eventfd(2)
std::expected<unique_fd, syscall_error> open_stop_event();

/// Requests a stop, like the first signal: makes the eventfd readable. May be called in a signal
/// handler and on any thread.
/// \return true if this call requested the stop; false if a stop was requested before, or if there
///         is no open eventfd
bool request_stop() noexcept;

} // namespace stage2
