/// \file
/// The client of "Client端": connects, sends standard input, prints what comes back. It has two
/// threads, because a thread that sleeps in read() cannot write.
///
///     thread  function        sleeps in
///     main    print_output()  read() of the socket
///     second  send_input()    read() of standard input, write() to the socket

#include "log.hpp"
#include "net/dial.hpp"
#include "net/op_error.hpp"
#include "options.hpp"
#include "syscall/socket.hpp"
#include "syscall/syscall_error.hpp"
#include "syscall/unique_fd.hpp"

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <exception>
#include <expected>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace stage1;

namespace {

constexpr std::size_t buffer_size = 64 * 1024;

std::mutex sending; ///< held by send_input() while it writes; protects `unsent`
/// The error that kept send_input() from sending all of standard input, if there was one. Without
/// it, main() would take the end of the server's stream for the end of a complete answer.
std::optional<syscall_error> unsent;

/// Sleeps until a standard stream is ready. Needed only if another program that uses the same
/// terminal or pipe has made it non-blocking.
void wait_until_ready(int fd, short events) {
    pollfd stream{fd, events, 0};
    ::poll(&stream, 1, -1);
}

/// Reads from standard input. \return the number of bytes, 0 at its end; or an error
std::expected<std::size_t, syscall_error> read_input(std::span<char> buffer) {
    while (true) {
        const auto n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
        if (n >= 0) return static_cast<std::size_t>(n);
        if (errno == EAGAIN)
            wait_until_ready(STDIN_FILENO, POLLIN);
        else if (errno != EINTR)
            return std::unexpected(syscall_error{"read /dev/stdin", errno});
    }
}

/// Writes all of `bytes` to standard output.
std::expected<void, syscall_error> write_output(std::span<const char> bytes) {
    while (!bytes.empty()) {
        const auto n = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
        if (n >= 0)
            bytes = bytes.subspan(static_cast<std::size_t>(n));
        else if (errno == EAGAIN)
            wait_until_ready(STDOUT_FILENO, POLLOUT);
        else if (errno != EINTR)
            return std::unexpected(syscall_error{"write /dev/stdout", errno});
    }
    return {};
}

/// Sends standard input to the server, and a FIN at its end.
void send_input(int socket, std::vector<char> buffer) {
    while (true) {
        const auto n = read_input(buffer);
        const std::scoped_lock lock(sending);
        if (!n) unsent = n.error();
        if (!n || *n == 0) break;
        const auto sent = write(socket, std::span(buffer).first(*n));
        if (!sent) unsent = sent.error();
        if (!sent) return;
    }
    ::shutdown(socket, SHUT_WR);
}

/// Prints what the server sends, until the end of the stream.
std::expected<void, syscall_error> print_output(int socket) {
    std::vector<char> buffer(buffer_size);
    while (true) {
        const auto n = read(socket, buffer);
        if (!n) return std::unexpected(n.error());
        if (*n == 0) return {};
        const auto printed = write_output(std::span(buffer).first(*n));
        if (!printed) return printed;
    }
}

/// Returns "read /dev/stdin: is a directory" for a standard stream, and for the socket
/// "read tcp 127.0.0.1:80: read: connection reset by peer". Go: fs.PathError, net.OpError.
std::string message(const syscall_error& error, const std::string& network,
                    const std::string& address) {
    if (error.call.contains('/')) return error.message();
    return op_error{std::string(error.call), network, "", address, error.message()}.message();
}

} // namespace

int main(int argc, char** argv) try {
    open_standard_descriptors();
    std::string text;
    CLI::App app{"Sends standard input to a server and prints what comes back.", "stage1_client"};
    app.add_option("ADDRESS", text, "host:port, :port, [ipv6]:port, unix:PATH or unix:@NAME")
        ->required();
    app.set_version_flag("--version", fmt::format("stage1_client {}", version));
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return answer(app, error);
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
    std::vector<char> buffer(buffer_size); // allocated here: the thread does not catch bad_alloc
    // Detached: it may still sleep in read() when the program ends.
    std::thread(send_input, socket->get(), std::move(buffer)).detach();
    auto ended = print_output(socket->get());
    ::shutdown(socket->get(), SHUT_RDWR); // wakes the thread in write(): it holds `sending`
    const std::scoped_lock lock(sending);
    if (ended && unsent) ended = std::unexpected(*unsent);
    if (ended) return 0;
    log("{}", message(ended.error(), where->network, text));
    return 1;
} catch (const std::exception& error) { // no memory, or no thread could be started
    log("stage1_client: {}", error.what());
    return 1;
}
