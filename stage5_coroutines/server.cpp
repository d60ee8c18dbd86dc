/// \file
/// Stage 1's server again: a loop that accepts, and a loop for each client that reads and writes.
/// They look as if they slept. `handle` is what the whole project is about.
///
///     serve ── accept_loop ── listener::accept, go(handle)
///              └ handle ── conn::read, conn::write

#include "server.hpp"

#include "bufio.hpp"
#include "guests.hpp"
#include "log.hpp"
#include "net.hpp"
#include "scheduler.hpp"
#include "task.hpp"

#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <new>
#include <optional>
#include <string_view>

namespace stage5 {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds shortest_pause = 5ms; ///< out of descriptors. Go: net/http's
constexpr std::chrono::nanoseconds longest_pause = 1s;
constexpr net::deadline in_the_past = 1;

/// --verbose
void note(std::string_view what, const net::conn& who) {
    if (verbose) note(what, who.remote_addr());
}

void note(std::string_view what, const net::conn& who, std::span<const char> bytes) {
    if (verbose) note(what, who.remote_addr(), bytes);
}

class server {
public:
    server(net::listener listener, net::conn signals, const options& options)
        : options_(options), listener_(std::move(listener)), signals_(std::move(signals)) {}

    task<> accept_loop();
    task<> watch_signals();
    std::optional<net::error> failed;

private:
    /// In a loop that stop() waits for: tells it, however the coroutine ends.
    struct loop_end {
        server& of;
        ~loop_end() {
            --of.loops_;
            of.guests_.fewer.try_send(0);
        }
    };

    task<> handle(guest client);
    task<> handle_lines(guest client);
    task<> linger(guest client) const;
    task<> stop();
    void begin_to_stop();
    void expect_bytes(const net::conn& client) const;
    void complain(std::string_view reason);

    options options_;
    net::listener listener_;
    net::conn signals_; ///< a signalfd: to be read, too
    nanotime last_complaint_ = 0;
    std::atomic<bool> stopping_ = false;
    std::atomic<int> loops_ = 2; ///< accept_loop() and watch_signals(), until they end
    nanotime grace_ends_ = 0;    ///< written before stopping_, read after it
    guests guests_;
    task<> stop_ = stop(); ///< has not begun: made while there is memory
    std::atomic<bool> stop_begun_ = false;
};

// [handle]
task<> server::handle(guest client) {
    while (!stopping_) {
        expect_bytes(*client);
        auto reading = client->read();
        const auto message = co_await reading;
        if (!message || message->empty()) break;
        note("received from", *client, *message);
        auto writing = client->write(*message, options_.write_timeout);
        if (!co_await writing) break;
        note("sent to", *client);
    }
    if (stopping_) go(linger(std::move(client)));
}
// [handle]

// [lines]
/// The line echo's article: whole lines, and no answer before the newline. At the end of the
/// stream what came after the last one is echoed as well: no byte is lost.
task<> server::handle_lines(guest client) {
    bufio::reader reader(*client);
    bufio::writer writer(*client, options_.write_timeout);
    while (!stopping_) {
        expect_bytes(*client);
        const auto line = co_await reader.read_line();
        if (!line || line->empty()) break;
        note("received from", *client, *line);
        const auto written = co_await writer.write(*line);
        if (!written) co_return; // what came later must not follow: it would be behind a hole
        if (reader.has_line()) continue; // one write for all of them
        const auto sent = co_await writer.flush();
        if (!sent) co_return;
    }
    if (!stopping_) co_return;
    static_cast<void>(co_await writer.write(reader.buffered()));
    static_cast<void>(co_await writer.flush());
    go(linger(std::move(client)));
}
// [lines]

/// --idle-timeout, anew for each message: most often a store and nothing else.
void server::expect_bytes(const net::conn& client) const {
    if (options_.idle_timeout == 0s) return;
    const nanotime present = now();
    const net::deadline end = present + options_.idle_timeout.count();
    static_cast<void>(client.set_read_deadline(end, present));
    // stop() may have just set one in the past, which this must not undo.
    if (stopping_) static_cast<void>(client.set_read_deadline(in_the_past));
}

/// Before the end of a client that may still be sending: closing now would answer what it sends
/// with a reset, and destroy what is under way to it.
task<> server::linger(guest client) const {
    static_cast<void>(client->close_write());
    static_cast<void>(client->set_read_deadline(0));
    while (!is_all_acknowledged(client->socket()->get()) && now() < grace_ends_) {
        static_cast<void>(client->set_read_deadline(after(10ms)));
        while (true) {
            const auto unread = co_await client->read();
            if (!unread && unread.error().is_timeout()) break;
            if (!unread || unread->empty()) co_return;
        }
    }
}

// [accept_loop]
task<> server::accept_loop() {
    const loop_end last{*this};
    const bool lines = options_.mode == echo_mode::lines;
    auto pause = shortest_pause;
    while (!stopping_) {
        if (guests_.count() >= options_.max_connections) {
            co_await guests_.room.receive();
            continue;
        }
        bool exhausted = false; // descriptors, or memory
        try {
            auto accepting = listener_.accept();    // with a name: g++ 12 destroys some temporaries
            const auto client = co_await accepting; // of an await twice (GCC bug 99576)
            if (client) {
                note("serving", *client);
                guest arrived(guests_, *client);
                go(lines ? handle_lines(std::move(arrived)) : handle(std::move(arrived)));
            } else if (client.error().is_closed()) {
                break; // we stop
            } else if (is_out_of_resources({"accept4", client.error().number()})) {
                exhausted = true;
                complain(client.error().message());
            } else {
                failed = client.error();
                begin_to_stop();
                break;
            }
        } catch (const std::bad_alloc&) { // whoever was about to come is gone
            exhausted = true;
            complain("accept: cannot allocate memory");
        }
        if (exhausted) co_await guests_.room.receive(after(pause)); // or sooner: somebody left
        pause = exhausted ? std::min(pause * 2, longest_pause) : shortest_pause;
    }
}
// [accept_loop]

/// SIGINT or SIGTERM: the first one lets the server stop, the second one ends the process. No
/// thread waits for them, and no handler interrupts anybody. Go: signal.Notify
task<> server::watch_signals() {
    const loop_end last{*this};
    auto first = signals_.read(sizeof(signalfd_siginfo));
    const auto asked = co_await first;
    if (asked) begin_to_stop();
    auto second = signals_.read(sizeof(signalfd_siginfo));
    const auto again = co_await second;
    if (again) ::_exit(0);
}

/// Once: a signal may come, and accept_loop() fail.
void server::begin_to_stop() {
    if (!stop_begun_.exchange(true)) go(std::move(stop_));
}

task<> server::stop() {
    grace_ends_ = after(options_.grace);
    stopping_ = true;
    listener_.evict();
    guests_.room.try_send(0); // accept_loop() may wait for that
    guests_.for_each([](const net::conn& client) {
        client.socket()->set_deadline(side::read, in_the_past); // wakes who waits for bytes
    });
    while (guests_.count() != 0 && now() < grace_ends_) co_await guests_.fewer.receive(grace_ends_);
    guests_.for_each([](const net::conn& client) { client.evict(); });
    signals_.evict();
    while (guests_.count() != 0 || loops_ != 0) co_await guests_.fewer.receive();
    scheduler::current().stop();
}

/// Once a second at most: who is out of descriptors is so thousands of times.
void server::complain(std::string_view reason) {
    if (last_complaint_ != 0 && now() - last_complaint_ < 1'000'000'000) return;
    last_complaint_ = now();
    log("{}", reason);
}

sigset_t stop_signals() {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGINT);
    ::sigaddset(&set, SIGTERM);
    return set;
}

} // namespace

void block_stop_signals() {
    const auto signals = stop_signals();
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

std::expected<void, op_error> serve(listener listener, const options& options) {
    const auto failed = [at = listener.local, network = listener.network](syscall_error error) {
        return std::unexpected(op_error{"accept", network, "", at.to_string(), error.message()});
    };
    const auto signals = stop_signals();
    const auto runtime = scheduler::make(options.threads);
    if (!runtime) return failed(runtime.error());
    auto adopted = net::listener::adopt(std::move(listener));
    if (!adopted) return std::unexpected(adopted.error().what());
    unique_fd signalled{::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK)};
    if (!signalled) return failed({"signalfd", errno});
    auto watched = fd::open(std::move(signalled));
    if (!watched) return failed(watched.error());
    server server(std::move(*adopted), net::conn(std::move(*watched)), options);
    go(server.accept_loop());
    go(server.watch_signals());
    (*runtime)->run();
    if (server.failed) return std::unexpected(server.failed->what());
    return {};
}

} // namespace stage5
