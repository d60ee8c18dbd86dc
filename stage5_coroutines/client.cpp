/// \file
/// Dials, sends standard input and prints what comes back: "Client端", and the client's flow of the
/// notes on Go's net package. Two goroutines, and a thread that blocks in read() in place of a
/// worker.

#include "log.hpp"
#include "net/dial.hpp"
#include "options.hpp"
#include "program.hpp"
#include "runtime/chan.hpp"
#include "runtime/task.hpp"
#include "syscall/syscall_error.hpp"

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <exception>
#include <expected>
#include <optional>
#include <semaphore>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace stage5;

namespace {

constexpr std::size_t buffer_size = 64 * 1024;

/// Reads standard input in a thread of its own. Standard input may be a file, which epoll can't
/// watch, or a terminal, which other programs share: so it must not be made non-blocking. The
/// thread reads on only when the last chunk has been sent, so no faster than the server takes it.
/// Must live as long as the process, because nothing ends the thread.
class input {
public:
    using chunk = std::expected<std::span<const char>, syscall_error>; ///< an empty one is the end

    /// Starts the thread. To be called once. \return pthread_create's error, if it fails
    std::expected<void, syscall_error> begin() try {
        std::thread([this] { read_all(); }).detach();
        return {};
    } catch (const std::system_error& error) {
        return std::unexpected(syscall_error{"pthread_create", error.code().value()});
    }

    /// Waits for the next chunk. Its bytes are valid until done().
    [[nodiscard]] chan<chunk>::receiving next() { return chunks_.receive(); }
    void done() { done_.release(); }

private:
    void read_all() {
        while (true) {
            chunks_.try_send(read_some());
            done_.acquire();
        }
    }
    /// Reads once. Waits for bytes even if another program has made the terminal or pipe that they
    /// share non-blocking.
    chunk read_some() {
        while (true) {
            const auto n = ::read(STDIN_FILENO, buffer_.data(), buffer_.size());
            if (n >= 0) return std::span(buffer_).first(static_cast<std::size_t>(n));
            pollfd more{STDIN_FILENO, POLLIN, 0};
            if (errno == EAGAIN)
                ::poll(&more, 1, -1);
            else if (errno != EINTR)
                return std::unexpected(syscall_error{"read /dev/stdin", errno});
        }
    }

    // Made by the constructor, because in the thread std::bad_alloc would end the process.
    std::vector<char> buffer_ = std::vector<char>(buffer_size);
    chan<chunk> chunks_{1};
    std::binary_semaphore done_{0};
};

/// Has all of standard input been sent? send_input() reports it here, and talk() asks.
struct outcome {
    std::atomic<bool> sending = false;       ///< a write is in progress
    chan<std::optional<net::error>> sent{1}; ///< for talk(), if it has found `sending` set
    std::atomic<int> unread = 0;             ///< errno of reading standard input
};

/// Logs the reason and ends the process.
[[noreturn]] void fail(const std::string& why) {
    log("{}", why);
    exit_process(1);
}

/// Awaits a part of the program. An exception, which means that memory is used up, ends the
/// process.
task<> or_fail(task<> part) {
    try {
        co_await std::move(part);
    } catch (const std::exception& error) {
        log("stage5_client: {}", error.what());
        exit_process(1);
    }
}

/// Sends standard input to the server, and after it the end of the stream.
task<> send_input(net::conn to, input* from, outcome* told) {
    while (true) {
        // NOLINTNEXTLINE(bugprone-unchecked-optional-access): it waits without a limit
        const auto chunk = *co_await from->next();
        if (!chunk) told->unread = chunk.error().number;
        if (!chunk || chunk->empty()) break;
        told->sending = true;
        const auto written = co_await to.write(*chunk);
        if (!written) { // talk() reports it, after what the server still sends
            told->sent.try_send(written.error());
            co_return;
        }
        if (!told->sending.exchange(false)) told->sent.try_send({}); // talk() waits for it
        from->done();
    }
    static_cast<void>(to.close_write());
}

/// Prints what the server sends, until the end of the stream.
task<> print_output(net::conn from) {
    while (true) {
        const auto bytes = co_await from.read();
        if (!bytes) fail(bytes.error().message());
        if (bytes->empty()) co_return;
        if (!write_all(STDOUT_FILENO, *bytes))
            fail(syscall_error{"write /dev/stdout", errno}.message());
    }
}

task<> talk(std::string network, std::string address, std::chrono::nanoseconds timeout) {
    const auto conn = co_await net::dial(network, address, timeout);
    if (!conn) fail(conn.error().message());
    // Static, because their users still run for a moment when an exception ends this coroutine.
    static input from;
    static outcome told;
    if (const auto begun = from.begin(); !begun) fail(begun.error().message());
    go(or_fail(send_input(*conn, &from, &told)));
    co_await print_output(*conn);
    if (told.sending.exchange(false)) { // the server ended during a write
        conn->close_now();
        const auto sent = co_await told.sent.receive();
        if (sent && *sent) fail((*sent)->message());
    }
    if (told.unread != 0) fail(syscall_error{"read /dev/stdin", told.unread}.message());
    exit_process(0);
}

} // namespace

int main(int argc, char** argv) try {
    std::string text, timeout;
    CLI::App app{"Sends standard input to a server and prints what comes back.", "stage5_client"};
    app.add_option("ADDRESS", text, "host:port, :port, [ipv6]:port, unix:PATH or unix:@NAME")
        ->required();
    app.add_option("--timeout", timeout, "how long connecting may take")
        ->option_text("DURATION [no limit]");
    app.set_version_flag("--version", fmt::format("stage5_client {}", version));
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return answer(app, error);
    }
    const auto where = parse_endpoint(text);
    if (!where) {
        log("stage5_client: {}", where.error());
        return 2;
    }
    std::chrono::nanoseconds limit{};
    if (!timeout.empty()) {
        const auto read = parse_duration(timeout);
        if (!read) {
            log("stage5_client: --timeout: {}", read.error());
            return 2;
        }
        limit = std::max(*read, std::chrono::nanoseconds(1)); // because 0 means no limit
    }
    run_main(or_fail(talk(where->network, where->network == "unix" ? where->host : text, limit)));
} catch (const std::exception& error) { // no memory
    log("stage5_client: {}", error.what());
    return 1;
}
