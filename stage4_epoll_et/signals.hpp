#pragma once
/// \file
/// SIGINT and SIGTERM. While the server starts, either of them ends the process. While it serves,
/// the first one is a request to stop, and the next one ends the process. A handler does this,
/// because every thread may be stuck when a signal comes: in a lookup that no name server answers,
/// or in a write to a log that nothing reads. Go: runtime.sighandler, os/signal.Notify.

#include "op_error.hpp"
#include "unique_fd.hpp"

#include <expected>

namespace stage4 {

/// Lets SIGINT and SIGTERM end the process at once, with status 0. Nothing is tidied up then: the
/// file of a Unix socket stays, unless a graceful stop has removed it before. To be called first
/// in main.
void end_on_stop_signals();

/// Opens an eventfd and makes the next signal a request to stop: that signal makes the eventfd
/// readable and does not end the process. Every later signal ends it. To be called once for each
/// server, when there is a socket whose file a graceful stop has to remove.
/// \return the eventfd, or the error of eventfd(2)
std::expected<unique_fd, syscall_error> open_stop_event();

/// Makes the eventfd readable as a first signal does. Safe in a signal handler and on any thread.
/// \return true if this call did it, false if there is no eventfd or a request came before
bool request_stop() noexcept;

} // namespace stage4
