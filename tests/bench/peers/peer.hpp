#pragma once
/// \file
/// What the peers in C++ share: their two or three options, a listening socket, and the line that
/// says where it listens. Each peer is an echo server as its library's people would write it for
/// speed; how they fare beside the stages is what they are for.

#include "harness/endpoint.hpp"
#include "harness/unique_fd.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace peer {

struct options {
    harness::endpoint listen;
    unsigned threads = 1;
    std::size_t buffer = 65536; ///< of a receive
};

/// Reads the options, or ends the process: one line and status 2 for a wrong one.
inline options parse_options(int argc, char** argv, const std::string& what) {
    options read;
    std::string listen = "127.0.0.1:0";
    CLI::App app{what};
    app.add_option("-l,--listen", listen, "127.0.0.1:PORT");
    app.add_option("--threads", read.threads, "threads [1]")->check(CLI::Range(1, 256));
    app.add_option("--buffer", read.buffer, "bytes of a receive [65536]")
        ->check(CLI::Range(64, 1 << 20));
    try {
        app.parse(argc, argv);
        read.listen = harness::parse_endpoint(listen);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) std::exit(app.exit(error));
        fmt::print(stderr, "{}: {}\n", argv[0], error.what());
        std::exit(2);
    } catch (const harness::failure& error) {
        fmt::print(stderr, "{}: {}\n", argv[0], error.what());
        std::exit(2);
    }
    ::signal(SIGPIPE, SIG_IGN);
    return read;
}

/// A listening socket; those that it accepts inherit TCP_NODELAY from it. Several can have the same
/// address, and the kernel spreads the clients over them. After the call `to` has the real port.
inline harness::unique_fd listen_on(harness::endpoint& to) {
    using harness::check;
    constexpr int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    harness::unique_fd fd(check(::socket(to.family(), type, 0), "socket"));
    const int on = 1;
    for (const int option : {SO_REUSEADDR, SO_REUSEPORT})
        check(::setsockopt(fd.get(), SOL_SOCKET, option, &on, sizeof on), "setsockopt");
    check(::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt");
    check(::bind(fd.get(), to.get(), to.length), "bind");
    check(::listen(fd.get(), 4096), "listen");
    check(::getsockname(fd.get(), to.get(), &to.length), "getsockname");
    return fd;
}

inline void say_listening(const harness::endpoint& where) {
    fmt::print("listening on 127.0.0.1:{}\n", where.port());
    std::fflush(stdout);
}

/// Runs `serve` in `count` threads, this one among them, each with a listening socket of its own.
inline void run_threads(options& read, const std::function<void(harness::unique_fd)>& serve) {
    std::vector<harness::unique_fd> listeners;
    for (unsigned i = 0; i < read.threads; ++i) listeners.push_back(listen_on(read.listen));
    say_listening(read.listen);
    std::vector<std::jthread> others;
    for (unsigned i = 1; i < read.threads; ++i)
        others.emplace_back([&, i] { serve(std::move(listeners[i])); });
    serve(std::move(listeners[0]));
}

/// A main for all of them: whatever goes wrong at the start is one line and status 1.
inline int run(int argc, char** argv, const std::string& what,
               const std::function<void(options&)>& serve) {
    options read = parse_options(argc, argv, what);
    try {
        serve(read);
        return 0;
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}: {}\n", argv[0], error.what());
        return 1;
    }
}

} // namespace peer
