/// \file
/// The signal handler, and its installation.

#include "signals.hpp"

#include "syscall/socket.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>

namespace stage5 {
namespace {

/// The eventfd that the first signal writes to. -1 before it is opened, and again after the first
/// request.
std::atomic<int> stop_event = -1;
// An atomic with a lock inside would not do: the interrupted code could hold the lock.
static_assert(std::atomic<int>::is_always_lock_free);

// [on_stop_signal]
extern "C" void on_stop_signal(int) {
    const int interrupted = errno; // the interrupted code may still need it
    if (!request_stop()) ::_exit(0);
    errno = interrupted;
}
// [on_stop_signal]

} // namespace

void end_on_stop_signals() {
    sigset_t both;
    ::sigemptyset(&both);
    // No SA_RESTART: a write to the log that blocks must end with EINTR when a signal arrives.
    // Every other call that a signal interrupts is repeated by the server itself.
    struct sigaction action {};
    action.sa_handler = &on_stop_signal;
    for (const int signal : {SIGINT, SIGTERM}) {
        ::sigaddset(&both, signal);
        ::sigaction(signal, &action, nullptr);
    }
    ::pthread_sigmask(SIG_UNBLOCK, &both, nullptr); // the parent process may have blocked them
}

std::expected<unique_fd, syscall_error> open_stop_event() {
    // EFD_CLOEXEC and EFD_NONBLOCK have the values of SOCK_CLOEXEC and SOCK_NONBLOCK.
    unique_fd event{::eventfd(0, socket_flags)};
    if (!event) return std::unexpected(syscall_error{"eventfd", errno});
    stop_event = event.get();
    return event;
}

/// The write fails if the server could not start and has closed the eventfd. Then there is nothing
/// to stop gracefully, and the signal ends the process.
bool request_stop() noexcept {
    const std::uint64_t once = 1;
    const int event = stop_event.exchange(-1);
    return event >= 0 && ::write(event, &once, sizeof once) == sizeof once;
}

} // namespace stage5
