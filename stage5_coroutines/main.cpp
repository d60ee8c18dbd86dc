/// \file
/// The articles' `main`: listen, then serve. Before that it prepares the process. Two of these
/// steps are done by Go's runtime before every program, the other two are this server's own:
///
///     step                         Go
///     end_on_stop_signals()        a program calls os/signal.Notify itself
///     ignore_signals_of_writes()   does the opposite for SIGPIPE
///     open_standard_descriptors()  runtime.checkfds
///     raise_descriptor_limit()     syscall/rlimit.go

#include "log.hpp"
#include "net/listen.hpp"
#include "options.hpp"
#include "server.hpp"
#include "signals.hpp"
#include "syscall/trace.hpp"
#include "syscall/unique_fd.hpp"

#include <fmt/core.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <new>

using namespace stage5;

namespace {

/// Raises the soft limit of open descriptors to the hard limit. The usual soft limit, 1024, exists
/// only because select() cannot watch more. Go: syscall/rlimit.go.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Ignores SIGPIPE and SIGXFSZ. Otherwise the server would end when it writes a line to a log that
/// nothing reads any more, or to a file that may not grow (ulimit -f). With the signals ignored,
/// only that write fails. Sockets do not need this, because write() passes MSG_NOSIGNAL. Go does
/// the opposite: a write to a closed standard output or error ends the process with SIGPIPE.
/// Go: runtime.sigpipe.
void ignore_signals_of_writes() {
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
}

} // namespace

int main(int argc, char** argv) try {
    end_on_stop_signals();
    ignore_signals_of_writes();
    open_standard_descriptors();
    raise_descriptor_limit();

    const auto options = parse_options(argc, argv);
    if (!options) return options.error();
    verbose = options->verbose;

    auto listener = listen(options->listen);
    if (!listener) {
        log("{}", listener.error().message());
        return 1;
    }
    // Opening the trace empties its file. So this comes last: a mistake of the user's, which ends
    // the program above, must not destroy an old trace.
    if (options->trace) {
        const auto started = trace::start(*options->trace);
        if (!started) {
            log("stage5_server: --trace: {}", started.error().message());
            return 2;
        }
    }
    const auto announce = [line = fmt::format("listening on {}", listener->name())] {
        std::puts(line.c_str());
        std::fflush(stdout);
    };
    const auto served = serve(std::move(*listener), *options, announce);
    if (!served) log("{}", served.error().message());
    return served ? 0 : 1;
} catch (const std::bad_alloc&) { // at the start; later a lack of memory ends single connections
    log("out of memory");
    return 1;
}
