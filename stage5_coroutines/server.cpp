/// \file
/// Stage 1's server again: a loop that accepts, and for each client a loop that reads and writes.
/// The calls look as if they blocked a thread; in fact `co_await` suspends a coroutine. `handle` is
/// what the whole project is about.
///
///     serve ── accept_loop ── listener::accept, go(handle)
///              └ handle ── conn::read, conn::write

#include "server.hpp"

#include "clients.hpp"
#include "log.hpp"
#include "net/bufio.hpp"
#include "net/conn.hpp"
#include "net/listener.hpp"
#include "runtime/scheduler.hpp"
#include "runtime/task.hpp"
#include "runtime/time.hpp"
#include "signals.hpp"
#include "syscall/socket.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <new>
#include <optional>
#include <string_view>

namespace stage5 {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds shortest_pause = 5ms; ///< after accept4 fails. Go: net/http's
constexpr std::chrono::nanoseconds longest_pause = 1s;
constexpr net::deadline in_the_past{1ns};

/// Logs what a client does, if --verbose was given.
void log_event(std::string_view what, const net::conn& who) {
    if (verbose) log_event(what, who.remote_addr());
}

void log_event(std::string_view what, const net::conn& who, std::span<const char> bytes) {
    if (verbose) log_event(what, who.remote_addr(), bytes);
}

/// True if the client has acknowledged everything, or if stop() has closed the connection.
bool has_all(const net::conn& client) {
    bool all = true;
    client.socket()->with_descriptor([&](int number) {
        all = is_all_acknowledged(number);
        return 0;
    });
    return all;
}

/// Makes the connection end with a reset: an orderly end would look like the end of the answer.
void reset(const net::conn& client) {
    client.socket()->with_descriptor([](int number) {
        reset_at_close(number);
        return 0;
    });
}

/// Sets the deadline for --idle-timeout, before each read: most often without a lock.
void set_idle_deadline(const served_client& client) {
    const served_clients& all = client.list();
    if (all.settings.idle_timeout == 0s) return;
    const auto present = std::chrono::steady_clock::now();
    static_cast<void>(client->set_read_deadline(present + all.settings.idle_timeout, present));
    // stop() may have set one in the past just before, which this must not undo.
    if (all.stopping) static_cast<void>(client->set_read_deadline(in_the_past));
}

task<> linger(served_client client);

// [handle]
task<> handle(served_client client) {
    while (!client.list().stopping) {
        set_idle_deadline(client);
        const auto message = co_await client->read();
        if (!message || message->empty()) break;
        log_event("received from", *client, *message);
        if (!co_await client->write(*message, client.list().settings.write_timeout)) break;
        log_event("sent to", *client);
    }
    if (client.list().stopping) go(linger(std::move(client)));
}
// [handle]

// [lines]
/// Serves a client as the line echo's article does: answers whole lines, and nothing before the
/// newline. At the end of the stream it also echoes what came after the last newline.
task<> handle_lines(served_client client) {
    bufio::reader reader(*client, [&] { set_idle_deadline(client); });
    bufio::writer writer(*client, client.list().settings.write_timeout);
    while (!client.list().stopping) {
        const auto line = co_await reader.read_line();
        if (reader.is_line_too_long()) {
            log("{}", line.error().message());
            co_return reset(*client);
        }
        if (!line || line->empty()) break;
        log_event("received from", *client, *line);
        const auto written = co_await writer.write(*line);
        if (!written) co_return;         // a later line must not follow a gap
        if (reader.has_line()) continue; // one write for several lines
        const auto sent = co_await writer.flush();
        if (!sent) co_return;
    }
    if (!client.list().stopping) co_return;
    static_cast<void>(co_await writer.write(reader.buffered()));
    static_cast<void>(co_await writer.flush());
    go(linger(std::move(client)));
}
// [lines]

/// Waits, until the end of the grace, for a client to receive everything, before it is closed.
/// Closing at once would answer what the client still sends with a reset, and the reset would
/// destroy the answers that are on their way.
task<> linger(served_client client) {
    static_cast<void>(client->close_write());
    static_cast<void>(client->set_read_deadline({}));
    while (!has_all(*client) && std::chrono::steady_clock::now() < client.list().grace_ends) {
        static_cast<void>(client->set_read_deadline(after(10ms)));
        while (true) {
            const auto unread = co_await client->read();
            if (!unread && unread.error().is_timeout()) break;
            if (!unread || unread->empty()) co_return;
        }
    }
}

class server {
public:
    server(net::listener listener, net::conn stop_event, const options& options)
        : listener_(std::move(listener)), stop_event_(std::move(stop_event)), clients_(options) {
        loops_.add(2);
    }

    task<> accept_loop();
    task<> wait_for_stop_request();
    std::optional<net::error> failed;

private:
    task<> stop();
    void log_error(std::string_view reason);

    net::listener listener_;
    net::conn stop_event_; ///< an eventfd, readable when the server is to stop
    time_point last_logged_;
    wait_group loops_; ///< counts accept_loop() and wait_for_stop_request()
    served_clients clients_;
    task<> stop_ = stop(); ///< made now, while there is memory; starts later
};

// [accept_loop]
task<> server::accept_loop() {
    const deferred_done last(loops_);
    const bool lines = clients_.settings.mode == echo_mode::lines;
    auto pause = shortest_pause;
    while (!clients_.stopping) {
        if (clients_.connected.count() >= clients_.settings.max_connections) {
            co_await clients_.client_left.receive();
            continue;
        }
        bool exhausted = false; // true: no descriptor, no memory, or the connection's error
        try {
            const auto client = co_await listener_.accept();
            if (client) {
                log_event("serving", *client);
                served_client arrived(clients_, *client);
                go(lines ? handle_lines(std::move(arrived)) : handle(std::move(arrived)));
            } else if (client.error().is_closed()) {
                break; // the server stops
            } else if (is_listener_error({"accept4", client.error().number()})) {
                failed = client.error();
                request_stop(); // so that the clients are served to their end
                break;
            } else {
                exhausted = true;
                log_error(client.error().message());
            }
        } catch (const std::bad_alloc&) { // the client that was being accepted is gone
            exhausted = true;
            log_error("accept: cannot allocate memory");
        }
        if (exhausted)
            co_await clients_.client_left.receive(after(pause)); // or until a client leaves
        pause = exhausted ? std::min(pause * 2, longest_pause) : shortest_pause;
    }
}
// [accept_loop]

/// Waits for the first signal, or until accept_loop() has failed, and starts the stop. As a
/// coroutine, it needs no thread for that. Go: signal.Notify
task<> server::wait_for_stop_request() {
    const deferred_done last(loops_);
    while (true) {
        const auto requests = co_await stop_event_.read(sizeof(std::uint64_t));
        if (requests) break;
    }
    go(std::move(stop_));
}

// [stop]
task<> server::stop() {
    clients_.grace_ends = after(clients_.settings.grace);
    clients_.stopping = true;
    listener_.close_now();
    clients_.client_left.try_send(0);               // accept_loop() may wait for room
    clients_.for_each([](const net::conn& client) { // wakes those that wait to read
        static_cast<void>(client.set_read_deadline(in_the_past));
    });
    try {
        co_await clients_.connected.wait(clients_.grace_ends);
    } catch (const std::bad_alloc&) { // for the wait: the grace period ends now
    }
    clients_.for_each([](const net::conn& client) { client.close_now(); });
    // They are about to end, and so are the loops. Yielding needs no memory.
    while (clients_.connected.count() != 0 || loops_.count() != 0) co_await yield();
    scheduler::current().stop();
}
// [stop]

/// Logs at most once a second: when descriptors run out, accept4 fails thousands of times.
void server::log_error(std::string_view reason) {
    const auto present = std::chrono::steady_clock::now();
    if (last_logged_ != time_point() && present - last_logged_ < 1s) return;
    last_logged_ = present;
    log("{}", reason);
}

} // namespace

std::expected<void, op_error> serve(listener listener, const options& options,
                                    const std::function<void()>& ready) {
    const auto failed = [at = listener.local, network = listener.network](syscall_error error) {
        return std::unexpected(op_error{"accept", network, "", at.to_string(), error.message()});
    };
    auto event = open_stop_event();
    if (!event) return failed(event.error());
    const auto runtime = scheduler::make(options.threads);
    if (!runtime) return failed(runtime.error());
    auto adopted = net::listener::adopt(std::move(listener));
    if (!adopted) return std::unexpected(adopted.error().what());
    auto watched = fd::open(std::move(*event));
    if (!watched) return failed(watched.error());
    server server(std::move(*adopted), net::conn(std::move(*watched)), options);
    go(server.accept_loop());
    go(server.wait_for_stop_request());
    ready();
    (*runtime)->run();
    if (server.failed) return std::unexpected(server.failed->what());
    return {};
}

} // namespace stage5
