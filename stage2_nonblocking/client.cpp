/// \file
/// Dials, sends standard input, prints what comes back. One thread, because nothing here waits but
/// the poller.

#include "dial.hpp"
#include "log.hpp"
#include "op_error.hpp"
#include "options.hpp"
#include "poller.hpp"
#include "socket.hpp"
#include "unique_fd.hpp"

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

/// Writes all of it to standard output. Sleeps while that is full, because nothing else could be
/// printed until there is room; a non-blocking one, which another program with the same terminal or
/// pipe has made so, is waited for like a blocking one.
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

/// Both directions at once. Standard input is read only when what came from it before has been
/// sent, so that a server that takes nothing makes us stop reading, too.
class conversation {
public:
    explicit conversation(int socket) : socket_(socket) {}
    std::expected<void, syscall_error> run();

private:
    void read_input();
    void write_unsent();
    std::expected<bool, syscall_error> print_output(); ///< false at the end

    int socket_;
    poller poller_{wait_method::poll};
    std::vector<char> buffer_ = std::vector<char>(buffer_size);
    std::vector<char> unsent_;
    std::expected<void, syscall_error> sent_; ///< or why not all could be
};

std::expected<void, syscall_error> conversation::run() {
    // The writing end of a pipe, for one, would never become readable.
    if (::read(STDIN_FILENO, buffer_.data(), 0) < 0)
        return std::unexpected(syscall_error{"read /dev/stdin", errno});
    for (const int fd : {socket_, STDIN_FILENO})
        if (const auto added = poller_.add(fd, interest::read); !added) return added;
    while (true) {
        const auto ready = poller_.wait(poller::forever); // without memory, it is asked again
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
    // EAGAIN: another program has made it non-blocking, and has read what there was.
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
    if (!taken) { // to be said after what the server still has to say
        sent_ = std::unexpected(taken.error());
        unsent_.clear();
    } else {
        unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<std::ptrdiff_t>(*taken));
    }
    if (!unsent_.empty()) return;
    poller_.modify(socket_, interest::read);
    if (taken) static_cast<void>(poller_.add(STDIN_FILENO, interest::read)); // poll takes any
}

std::expected<bool, syscall_error> conversation::print_output() {
    const auto n = read(socket_, buffer_);
    if (!n && would_block(n.error())) return true;
    if (!n) return std::unexpected(n.error());
    const auto printed = write_output(std::span(buffer_).first(*n));
    if (!printed) return std::unexpected(printed.error());
    return *n > 0;
}

/// "read /dev/stdin: is a directory", or "read tcp 127.0.0.1:80: read: connection reset by peer".
/// Go: fs.PathError, net.OpError.
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
