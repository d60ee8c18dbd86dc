/// \file
/// The client of "Client端": connects, sends standard input, prints what comes back. One thread is
/// enough, because the poller waits for both directions at once.

#include "log.hpp"
#include "net/dial.hpp"
#include "net/op_error.hpp"
#include "options.hpp"
#include "runtime/poller.hpp"
#include "syscall/socket.hpp"
#include "syscall/syscall_error.hpp"
#include "syscall/unique_fd.hpp"

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <exception>
#include <expected>
#include <span>
#include <string>
#include <vector>

using namespace stage2;

namespace {

constexpr std::size_t buffer_size = 64 * 1024;

/// Writes all of `bytes` to standard output. Sleeps while standard output has no room. It uses
/// poll() for that if standard output is non-blocking: another program that uses the same terminal
/// or pipe may have made it so.
std::expected<void, syscall_error> write_output(std::span<const char> bytes) {
    pollfd room{STDOUT_FILENO, POLLOUT, 0};
    while (!bytes.empty()) {
        const auto n = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
        if (n >= 0)
            bytes = bytes.subspan(static_cast<std::size_t>(n));
        else if (errno == EAGAIN)
            ::poll(&room, 1, -1);
        else if (errno != EINTR)
            return std::unexpected(syscall_error{"write /dev/stdout", errno});
    }
    return {};
}

/// Sends and receives at the same time. Reads standard input only when all earlier input has been
/// sent, so that at most one buffer is stored for a server that reads nothing.
class conversation {
public:
    explicit conversation(int socket) : socket_(socket) {}
    std::expected<void, syscall_error> run();

private:
    void read_input();
    void write_unsent();
    std::expected<bool, syscall_error> print_output(); ///< false at the end of the stream

    int socket_;
    poller poller_{wait_method::poll};
    std::vector<char> buffer_ = std::vector<char>(buffer_size);
    std::vector<char> unsent_;
    std::expected<void, syscall_error> sent_; ///< an error if not all of the input was sent
};

std::expected<void, syscall_error> conversation::run() {
    // The call fails if standard input cannot be read: it may be the write end of a pipe. Without
    // this check the poller would wait for it, and it never becomes readable.
    if (::read(STDIN_FILENO, buffer_.data(), 0) < 0)
        return std::unexpected(syscall_error{"read /dev/stdin", errno});
    for (const int fd : {socket_, STDIN_FILENO})
        if (const auto added = poller_.add(fd, interest::read); !added) return added;
    while (true) {
        const auto ready = poller_.wait(poller::forever); // if it fails, nothing is ready
        for (const int fd : ready.value_or(std::span<const int>())) {
            if (fd == STDIN_FILENO) {
                read_input();
                continue;
            }
            if (!unsent_.empty()) write_unsent();
            const auto more = print_output();
            if (!more) return std::unexpected(more.error());
            if (!*more) return sent_;
        }
    }
}

void conversation::read_input() {
    const auto n = ::read(STDIN_FILENO, buffer_.data(), buffer_.size());
    // EAGAIN: another program has made standard input non-blocking, and has read its bytes first.
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (n < 0) sent_ = std::unexpected(syscall_error{"read /dev/stdin", errno});
    poller_.remove(STDIN_FILENO);
    if (n <= 0) {
        ::shutdown(socket_, SHUT_WR);
    } else {
        unsent_.assign(buffer_.begin(), buffer_.begin() + n);
        poller_.modify(socket_, interest::both);
    }
}

void conversation::write_unsent() {
    const auto taken = write(socket_, unsent_);
    if (!taken) { // run() returns the error, after the rest of the output
        sent_ = std::unexpected(taken.error());
        unsent_.clear();
    } else {
        unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<std::ptrdiff_t>(*taken));
    }
    if (!unsent_.empty()) return;
    poller_.modify(socket_, interest::read);
    // poll() accepts every descriptor, so add() cannot fail.
    if (taken) static_cast<void>(poller_.add(STDIN_FILENO, interest::read));
}

std::expected<bool, syscall_error> conversation::print_output() {
    const auto n = read(socket_, buffer_);
    if (!n && would_block(n.error())) return true;
    if (!n) return std::unexpected(n.error());
    const auto printed = write_output(std::span(buffer_).first(*n));
    if (!printed) return std::unexpected(printed.error());
    return *n > 0;
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
    std::string timeout;
    CLI::App app{"Sends standard input to a server and prints what comes back.", "stage2_client"};
    app.add_option("ADDRESS", text, "host:port, :port, [ipv6]:port, unix:PATH or unix:@NAME")
        ->required();
    app.add_option("--timeout", timeout, "how long connecting may take")
        ->option_text("DURATION [no limit]");
    app.set_version_flag("--version", fmt::format("stage2_client {}", version));
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return answer(app, error);
    }
    const auto where = parse_endpoint(text);
    if (!where) {
        log("stage2_client: {}", where.error());
        return 2;
    }
    deadline until;
    if (!timeout.empty()) {
        const auto limit = parse_duration(timeout);
        if (!limit) {
            log("stage2_client: --timeout: {}", limit.error());
            return 2;
        }
        until = std::chrono::steady_clock::now() + *limit;
    }

    const auto socket = dial(*where, until);
    if (!socket) {
        log("{}", socket.error().message());
        return 1;
    }
    const auto ended = conversation(socket->get()).run();
    if (ended) return 0;
    log("{}", message(ended.error(), where->network, text));
    return 1;
} catch (const std::exception& error) { // no memory
    log("stage2_client: {}", error.what());
    return 1;
}
