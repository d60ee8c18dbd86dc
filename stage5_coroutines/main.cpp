/// \file
/// The articles' `main`: listen, then serve. Before that, the three things that Go's runtime does
/// to a process without saying so.

#include "log.hpp"
#include "options.hpp"
#include "server.hpp"
#include "socket.hpp"
#include "unique_fd.hpp"

#include <fmt/core.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <new>

using namespace stage5;

namespace {

/// The soft limit of 1024 is for the sake of select(). Go: os/rlimit.go.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// A log that nobody reads any more is an error of that write, not the end of the server. Sockets
/// don't depend on this: write() asks for no signal. Go: runtime.sigpipe.
void ignore_sigpipe() {
    std::signal(SIGPIPE, SIG_IGN);
}

} // namespace

int main(int argc, char** argv) try {
    open_standard_descriptors();
    raise_descriptor_limit();
    ignore_sigpipe();
    block_stop_signals(); // before anybody can know that we are here, and send one

    const auto options = parse_options(argc, argv);
    if (!options) return options.error();
    verbose = options->verbose;

    auto listener = listen(options->listen);
    if (!listener) {
        log("{}", listener.error().message());
        return 1;
    }
    std::puts(fmt::format("listening on {}", listener->name()).c_str());
    std::fflush(stdout);

    const auto served = serve(std::move(*listener), *options);
    if (!served) log("{}", served.error().message());
    return served ? 0 : 1;
} catch (const std::bad_alloc&) { // while it starts: later a lack of memory costs clients only
    log("out of memory");
    return 1;
}
