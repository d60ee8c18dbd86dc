/// \file
/// The client's half, "Client端": dial, send standard input, print what comes back. One thread,
/// because nothing here waits but the poller.

#include "log.hpp"
#include "options.hpp"
#include "poller.hpp"
#include "socket.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <optional>
#include <vector>

using namespace stage2;

namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t buffer_size = 64 * 1024;

/// Until when to go on, if there is an end.
using deadline = std::optional<clock::time_point>;

milliseconds remaining(const deadline& until) {
    if (!until) return poller::forever;
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(*until - clock::now()));
}

// [connect]
/// Go: netFD.connect. The call begins to connect and returns; being writable says that it ended,
/// SO_ERROR how. Calling connect() again to find out would not be portable.
std::expected<unique_fd, std::string> connect(const address& to, const deadline& until) {
    unique_fd fd{::socket(to.family(), SOCK_STREAM | socket_flags, 0)};
    if (!fd) return std::unexpected(syscall_error{"socket", errno}.message());
    if (::connect(fd.get(), &to.any, to.length) == 0) return fd;
    int error = errno;
    if (error == EINPROGRESS || error == EINTR) {
        poller connected{wait_method::poll};
        connected.add(fd.get(), interest::write);
        while (connected.wait(remaining(until)).empty())
            if (remaining(until) == milliseconds(0)) return std::unexpected("i/o timeout");
        socklen_t size = sizeof error;
        ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        if (error == 0) return fd;
    }
    return std::unexpected(syscall_error{"connect", error}.message());
}
// [connect]

/// Go: net.Dial, sysDialer.dialSerial, partialDeadline: one address after the other, each with its
/// share of the time; the first one's error counts.
std::expected<unique_fd, op_error> dial(const endpoint& where, const deadline& until) {
    const auto addresses = resolve(where, purpose::dial);
    if (!addresses)
        return std::unexpected(op_error{"dial", where.network, "", "", addresses.error()});
    std::expected<unique_fd, op_error> first; // an error as soon as one address has failed
    auto left = static_cast<int>(addresses->size());
    for (const auto& to : *addresses) {
        deadline share = until;
        if (until) share = clock::now() + (*until - clock::now()) / left--;
        auto fd = connect(to, share);
        if (fd) return std::move(*fd);
        if (first)
            first = std::unexpected(
                op_error{"dial", where.network, "", to.to_string(), fd.error()});
    }
    return first;
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
};

std::expected<void, syscall_error> conversation::run() {
    poller_.add(socket_, interest::read);
    poller_.add(STDIN_FILENO, interest::read);
    while (true) {
        for (const int fd : poller_.wait(poller::forever)) {
            if (fd == STDIN_FILENO) {
                read_input();
                continue;
            }
            if (!unsent_.empty()) write_unsent();
            const auto more = print_output();
            if (!more) return std::unexpected(more.error());
            if (!*more) return {};
        }
    }
}

void conversation::read_input() {
    const auto n = ::read(STDIN_FILENO, buffer_.data(), buffer_.size());
    if (n < 0 && errno == EINTR) return;
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
    if (!taken) // print_output() will say what is wrong, after what the server still had to say
        unsent_.clear();
    else
        unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<std::ptrdiff_t>(*taken));
    if (!unsent_.empty()) return;
    poller_.modify(socket_, interest::read);
    if (taken) poller_.add(STDIN_FILENO, interest::read);
}

std::expected<bool, syscall_error> conversation::print_output() {
    const auto n = read(socket_, buffer_);
    if (!n && would_block(n.error())) return true;
    if (!n) return std::unexpected(n.error());
    std::fwrite(buffer_.data(), 1, *n, stdout);
    std::fflush(stdout);
    return *n > 0;
}

} // namespace

int main(int argc, char** argv) {
    std::string text, timeout;
    CLI::App app{"Sends standard input to a server and prints what comes back.", "stage2_client"};
    app.add_option("ADDRESS", text, "host:port, :port, [ipv6]:port, unix:PATH or unix:@NAME")
        ->required();
    app.add_option("--timeout", timeout, "how long connecting may take")
        ->option_text("DURATION [no limit]");
    app.set_version_flag("--version", fmt::format("stage2_client {}", version));
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) return app.exit(error);
        log("stage2_client: {} (see --help)", error.what());
        return 2;
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
        until = clock::now() + *limit;
    }

    const auto socket = dial(*where, until);
    if (!socket) {
        log("{}", socket.error().message());
        return 1;
    }
    const auto ended = conversation(socket->get()).run();
    if (ended) return 0;
    log("{}", op_error{"read", where->network, "", text, ended.error().message()}.message());
    return 1;
}
