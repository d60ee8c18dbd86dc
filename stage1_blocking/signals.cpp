/// \file
/// What the handler does, and how it is installed.

#include "signals.hpp"

#include "socket.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>

namespace stage1 {
namespace {

/// The eventfd that the first signal writes to; -1 before there is one, and after that signal.
std::atomic<int> stop_event = -1;
static_assert(std::atomic<int>::is_always_lock_free); // what the handler interrupts holds no lock

// [on_stop_signal]
extern "C" void on_stop_signal(int) {
    const int interrupted = errno; // of the call that the signal came into
    if (!request_stop()) ::_exit(0);
    errno = interrupted;
}
// [on_stop_signal]

} // namespace

void end_on_stop_signals() {
    sigset_t both;
    ::sigemptyset(&both);
    // Without SA_RESTART. The server repeats each call that is interrupted, but for a line of the
    // log, which may be what it is stuck in.
    struct sigaction action {};
    action.sa_handler = &on_stop_signal;
    for (const int signal : {SIGINT, SIGTERM}) {
        ::sigaddset(&both, signal);
        ::sigaction(signal, &action, nullptr);
    }
    ::pthread_sigmask(SIG_UNBLOCK, &both, nullptr); // the parent may have blocked them
}

std::expected<unique_fd, syscall_error> open_stop_event() {
    // The numbers of SOCK_CLOEXEC and SOCK_NONBLOCK are those of EFD_CLOEXEC and EFD_NONBLOCK.
    unique_fd event{::eventfd(0, socket_flags)};
    if (!event) return std::unexpected(syscall_error{"eventfd", errno});
    stop_event = event.get();
    return event;
}

/// The write fails if the start has failed and the eventfd is closed: nothing could stop then.
bool request_stop() noexcept {
    const std::uint64_t once = 1;
    const int event = stop_event.exchange(-1);
    return event >= 0 && ::write(event, &once, sizeof once) == sizeof once;
}

} // namespace stage1
