/// \file
/// Dials, sends standard input, prints what comes back. Two threads, because one that sleeps in
/// read() cannot write.

#include "dial.hpp"
#include "log.hpp"
#include "options.hpp"
#include "socket.hpp"

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

using namespace stage1;

namespace {

constexpr std::size_t buffer_size = 64 * 1024;

std::mutex sending; ///< held while write() sleeps or fails; protects what follows
/// Why not all of standard input could be sent: errno, or 0. Who reads meets the end of the stream
/// then, and would take it for the answer's.
int unsent = 0;

/// Standard input to the server; then end of file for the server as well.
void send_input(int socket) {
    std::vector<char> buffer(buffer_size);
    while (true) {
        const auto n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        const std::scoped_lock lock(sending);
        const auto sent = write(socket, std::span(buffer).first(static_cast<std::size_t>(n)));
        if (!sent) unsent = sent.error().number;
        if (!sent) return;
    }
    ::shutdown(socket, SHUT_WR);
}

/// What the server sends to standard output, until its end of file.
std::expected<void, syscall_error> print_output(int socket) {
    std::vector<char> buffer(buffer_size);
    while (true) {
        const auto n = read(socket, buffer);
        if (!n) return std::unexpected(n.error());
        if (*n == 0) return {};
        std::fwrite(buffer.data(), 1, *n, stdout);
        std::fflush(stdout);
    }
}

} // namespace

int main(int argc, char** argv) try {
    std::string text;
    CLI::App app{"Sends standard input to a server and prints what comes back.", "stage1_client"};
    app.add_option("ADDRESS", text, "host:port, :port, [ipv6]:port, unix:PATH or unix:@NAME")
        ->required();
    app.set_version_flag("--version", fmt::format("stage1_client {}", version));
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) return app.exit(error);
        log("stage1_client: {} (see --help)", error.what());
        return 2;
    }
    const auto where = parse_endpoint(text);
    if (!where) {
        log("stage1_client: {}", where.error());
        return 2;
    }

    const auto socket = dial(*where);
    if (!socket) {
        log("{}", socket.error().message());
        return 1;
    }
    std::thread(send_input, socket->get()).detach(); // sleeps in read() when we are done
    auto ended = print_output(socket->get());
    ::shutdown(socket->get(), SHUT_RDWR); // or a write that sleeps would go on doing so
    const std::scoped_lock lock(sending);
    if (ended && unsent != 0) ended = std::unexpected(syscall_error{"write", unsent});
    if (ended) return 0;
    log("{}",
        op_error{std::string(ended.error().call), where->network, "", text, ended.error().message()}
            .message());
    return 1;
} catch (const std::exception& error) { // no thread, no memory
    log("stage1_client: {}", error.what());
    return 1;
}
