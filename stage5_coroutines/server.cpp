/// \file
/// Stage 1's server again: a loop that accepts, and a loop for each client that reads and writes.
/// They look as if they slept. `handle` is what the whole project is about.
///
///     serve ── accept_loop ── fd::accept, go(handle)
///              └ handle ── fd::read, fd::write

#include "server.hpp"

#include "fd.hpp"
#include "log.hpp"
#include "scheduler.hpp"
#include "task.hpp"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

namespace stage5 {
namespace {

using namespace std::chrono_literals;

nanotime after(std::chrono::nanoseconds span) {
    return now() + span.count();
}

class server;

/// Keeps a client in the server's list while it is served.
struct membership {
    membership(server& where, std::shared_ptr<fd> who);
    ~membership();
    void note_bytes(std::string_view what, std::span<const char> bytes) const {
        if (peer) note(what, *peer, bytes);
    }

    server& of;
    std::shared_ptr<fd> client;
    std::unique_ptr<address> peer; ///< for --verbose
    membership* before = nullptr;
    membership* behind = nullptr;
};

class server {
public:
    server(listener listener, std::shared_ptr<fd> socket, const options& options)
        : options_(options), listener_(std::move(listener)), socket_(std::move(socket)) {}

    task<> accept_loop();
    task<> stop();
    std::optional<op_error> failed;

private:
    friend membership;
    task<> handle(std::shared_ptr<fd> client);
    task<> linger(fd& client);
    void expect_bytes(fd& client) const;
    void complain(const syscall_error& reason);
    op_error failure(const syscall_error& reason) const;
    std::size_t connections();

    options options_;
    listener listener_; ///< the name; the descriptor is socket_'s
    std::shared_ptr<fd> socket_;
    nanotime last_complaint_ = 0;
    std::atomic<bool> stopping_ = false;
    std::atomic<bool> accepting_ = true; ///< until accept_loop() has ended
    nanotime grace_ends_ = 0;            ///< written before stopping_, read after it
    std::mutex mutex_;                   ///< protects what follows
    membership* first_ = nullptr;
    std::size_t count_ = 0;
};

// [handle]
task<> server::handle(std::shared_ptr<fd> client) {
    const membership member(*this, client);
    while (!stopping_) {
        expect_bytes(*client);
        const auto message = co_await read_call(*client);
        if (!message || message->empty()) break;
        member.note_bytes("received from", *message);
        write_call writing(*client, *message, options_.write_timeout);
        const auto sent = co_await writing;
        if (!sent) break;
        if (member.peer) note("sent to", *member.peer);
    }
    if (stopping_) co_await linger(*client);
}
// [handle]

/// --idle-timeout, anew for each message: most often a store and nothing else.
void server::expect_bytes(fd& client) const {
    if (options_.idle_timeout == 0s) return;
    const nanotime present = now();
    client.set_deadline(side::read, present + options_.idle_timeout.count(), present);
}

/// Before the end of a client that may still be sending: closing now would answer what it sends
/// with a reset, and destroy what is under way to it.
task<> server::linger(fd& client) {
    client.shutdown_write();
    client.set_deadline(side::read, 0);
    while (!is_all_acknowledged(client.get()) && now() < grace_ends_) {
        client.set_deadline(side::read, after(10ms));
        while (true) {
            const auto unread = co_await read_call(client);
            if (!unread && unread.error().is_timeout()) break;
            if (!unread || unread->empty()) co_return;
        }
    }
}

// [accept_loop]
task<> server::accept_loop() {
    auto pause = 5ms;
    while (true) {
        while (connections() >= options_.max_connections && !stopping_) co_await sleep_for(5ms);
        accept_call accepting(*socket_);  // with a name: g++ 12 destroys some temporaries of an
        auto client = co_await accepting; // await twice (GCC bug 99576)
        if (client) {
            pause = 5ms;
            {
                const std::lock_guard lock(mutex_);
                ++count_;
            }
            go(handle(std::move(*client)));
        } else if (client.error().why != io_error::reason::failed) {
            break; // closed: we stop
        } else if (is_out_of_resources(client.error().call)) {
            complain(client.error().call);
            co_await sleep_for(pause);
            pause = std::min<std::chrono::milliseconds>(pause * 2, 100ms);
        } else {
            failed = failure(client.error().call);
            scheduler::current().stop();
            break;
        }
    }
    accepting_ = false;
}
// [accept_loop]

task<> server::stop() {
    grace_ends_ = after(options_.grace);
    stopping_ = true;
    listener_.path.remove();
    socket_->close();
    {
        const std::lock_guard lock(mutex_);
        for (auto* each = first_; each != nullptr; each = each->behind)
            each->client->set_deadline(side::read, 1); // wakes who waits for bytes
    }
    while (connections() != 0 && now() < grace_ends_) co_await sleep_for(5ms);
    {
        const std::lock_guard lock(mutex_);
        for (auto* each = first_; each != nullptr; each = each->behind) each->client->close();
    }
    while (connections() != 0 || accepting_) co_await sleep_for(1ms);
    scheduler::current().stop();
}

membership::membership(server& where, std::shared_ptr<fd> who) : of(where), client(std::move(who)) {
    if (verbose) {
        peer = std::make_unique<address>();
        ::getpeername(client->get(), &peer->any, &peer->length);
        note("serving", *peer);
    }
    const std::lock_guard lock(of.mutex_);
    behind = of.first_;
    if (behind != nullptr) behind->before = this;
    of.first_ = this;
}

membership::~membership() {
    client->close();
    if (peer) note("disconnected from", *peer);
    const std::lock_guard lock(of.mutex_);
    (before != nullptr ? before->behind : of.first_) = behind;
    if (behind != nullptr) behind->before = before;
    --of.count_;
}

std::size_t server::connections() {
    const std::lock_guard lock(mutex_);
    return count_;
}

void server::complain(const syscall_error& reason) {
    if (last_complaint_ != 0 && now() - last_complaint_ < 1'000'000'000) return;
    last_complaint_ = now();
    log("{}", failure(reason).message());
}

op_error server::failure(const syscall_error& reason) const {
    return {"accept", listener_.network, "", listener_.local.to_string(), reason.message()};
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
    const auto failed = [&](const syscall_error& error) {
        return std::unexpected(
            op_error{"accept", listener.network, "", listener.local.to_string(), error.message()});
    };
    const auto runtime = scheduler::make(options.threads);
    if (!runtime) return failed(runtime.error());
    auto socket = fd::open(std::move(listener.fd));
    if (!socket) return failed(socket.error());
    server server(std::move(listener), std::move(*socket), options);
    try {
        std::thread([&server] {
            const auto signals = stop_signals();
            int signal = 0;
            ::sigwait(&signals, &signal);
            go(server.stop());
            ::sigwait(&signals, &signal);
            ::_exit(0);
        }).detach();
    } catch (const std::system_error& error) {
        return failed({"pthread_create", error.code().value()});
    }
    go(server.accept_loop());
    (*runtime)->run();
    if (server.failed) return std::unexpected(*server.failed);
    return {};
}

} // namespace stage5
