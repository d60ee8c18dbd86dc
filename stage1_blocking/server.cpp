/// \file
/// The server of stage 1: a thread per connection takes the place of Go's goroutine. The price is
/// the threads themselves, and a way to wake those that sleep in a call when the server stops.
///
///     thread       how many        sleeps in                  ends
///     accept loop  1               accept(), wait_for_room()  on a stop, or if the listener fails
///     client       1 per client    read(), write()            with its connection
///     stop         1               read() of the stop event   after it has called server::stop()
///
/// The functions, and what each of them calls:
///
///     serve ── server::accept_loop ── accept, connection, start_thread
///                                     └ connection::handle ── read, write
///     the stop thread ── server::stop ── shutdown() wakes the other threads

#include "server.hpp"

#include "log.hpp"
#include "signals.hpp"
#include "syscall/socket.hpp"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <unordered_set>

namespace stage1 {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

/// Stack per client, instead of the default 8 MiB. Only pages that are touched use memory; the
/// rest is address space. A goroutine starts with as little as 2 KiB.
constexpr std::size_t stack_size = 64 * 1024;
constexpr std::size_t buffer_size = 16 * 1024;

class server {
public:
    server(listener listener, const options& options)
        : listener_(std::move(listener)), options_(options) {}

    std::expected<void, op_error> accept_loop();
    void stop();  ///< may be called on any thread
    void drain(); ///< waits for stop(), then until the last connection is closed
    [[nodiscard]] op_error failure(const syscall_error& reason) const;

private:
    friend class connection;
    bool wait_for_room();
    int go(accepted client); ///< returns 0 or an error number
    void back_off(const syscall_error& reason);
    void log_error(const syscall_error& reason);

    listener listener_;
    options options_;
    std::chrono::milliseconds pause_ = 5ms; ///< used by the accept loop's thread only
    clock::time_point last_logged_ = {};    ///< used by the accept loop's thread only
    std::atomic<bool> stopping_ = false;    ///< set once, under mutex_
    clock::time_point grace_ends_ = {};     ///< set before stopping_, read only if that is true
    std::mutex mutex_;                      ///< protects the members below
    std::condition_variable changed_;       ///< a connection has closed, or the server stops
    std::unordered_set<int> open_;          ///< the descriptors of all connections
    bool connection_closed_ = false;        ///< a connection closed since the last accept()
};

/// A client. It is in server::open_ from its construction, before its thread exists, until its
/// destruction.
class connection {
public:
    connection(server& server, accepted client);
    ~connection();
    void handle();

private:
    void linger();

    server& server_;
    accepted client_;
};

// [handle]
/// Echoes until the client's stream ends, a call fails, or the server stops. This is the articles'
/// handleConnection. It can be this simple because each call sleeps until it has a result.
void connection::handle() {
    std::array<char, buffer_size> buffer;
    log_event("serving", client_.peer);
    while (!server_.stopping_) {
        const auto n = read(client_.fd.get(), buffer);
        if (!n || *n == 0) break;
        const auto message = std::span(buffer).first(*n);
        log_event("received from", client_.peer, message);
        if (!write(client_.fd.get(), message)) break;
        log_event("sent to", client_.peer, message);
    }
    if (server_.stopping_) linger();
    log_event("disconnected from", client_.peer);
}
// [handle]

/// Waits until the client has acknowledged everything or the grace period ends, and discards what
/// the client still sends. The danger: if unread input were left, close() would send a reset, and
/// that would destroy bytes on their way to the client. The kernel does not report an
/// acknowledgement, so this function checks every 10 ms. (It does not use SHUT_WR: together with
/// the SHUT_RD of stop(), the kernel itself would then answer input with a reset.)
void connection::linger() {
    std::array<char, 4096> unread;
    while (!is_all_acknowledged(client_.fd.get()) && clock::now() < server_.grace_ends_) {
        while (::recv(client_.fd.get(), unread.data(), unread.size(), MSG_DONTWAIT) > 0) {}
        std::this_thread::sleep_for(10ms);
    }
}

connection::connection(server& server, accepted client)
    : server_(server), client_(std::move(client)) {
    const std::lock_guard lock(server_.mutex_);
    server_.open_.insert(client_.fd.get());
    if (server_.stopping_) ::shutdown(client_.fd.get(), SHUT_RD); // stop() came before this client
}

connection::~connection() {
    // Leave open_ and close under the same lock: otherwise stop() could shut down a later socket
    // with the same number. Notify under it, too: once drain() sees that open_ is empty, serve()
    // destroys the server, and changed_ with it.
    const std::lock_guard lock(server_.mutex_);
    server_.open_.erase(client_.fd.get());
    client_.fd.reset();
    server_.connection_closed_ = true;
    server_.changed_.notify_all();
}

/// Calls client->handle() on a new thread, as Go's `go` statement does on a new goroutine.
/// \return 0, or the error number of pthread_create
int start_thread(std::unique_ptr<connection> client) {
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    ::pthread_attr_setstacksize(&attributes, stack_size);
    const auto body = [](void* argument) -> void* {
        const std::unique_ptr<connection> own(static_cast<connection*>(argument));
        own->handle();
        return nullptr;
    };
    pthread_t thread{};
    const int error = ::pthread_create(&thread, &attributes, body, client.get());
    ::pthread_attr_destroy(&attributes);
    if (error == 0) static_cast<void>(client.release()); // the thread owns it now
    return error;
}

// [accept_loop]
std::expected<void, op_error> server::accept_loop() {
    while (wait_for_room()) {
        auto client = accept(listener_.fd.get());
        if (client) {
            const int error = go(std::move(*client));
            if (error == 0)
                pause_ = 5ms;
            else // only this client is dropped; the others are served
                back_off(syscall_error{"pthread_create", error});
        } else if (!is_listener_error(client.error())) {
            back_off(client.error());
        } else if (!stopping_) {
            return std::unexpected(failure(client.error()));
        }
    }
    return {};
}
// [accept_loop]

int server::go(accepted client) try {
    return start_thread(std::make_unique<connection>(*this, std::move(client)));
} catch (const std::bad_alloc&) {
    return ENOMEM;
}

/// Waits while --max-connections clients are connected; more clients wait in the kernel's backlog.
/// \return false if the server is stopping
bool server::wait_for_room() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopping_ || open_.size() < options_.max_connections; });
    connection_closed_ = false;
    return !stopping_;
}

/// Pauses after a failed accept() until a connection closes or pause_ is over. pause_ is 5 ms, and
/// each further failure doubles it, up to 1 s. Without the pause the loop would use a whole core
/// until a descriptor is free. Go's net/http has the same pauses (Server.Serve), but there a
/// connection that closes does not end them.
void server::back_off(const syscall_error& reason) {
    log_error(reason);
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, pause_, [&] { return stopping_ || connection_closed_; });
    pause_ = std::min<std::chrono::milliseconds>(pause_ * 2, 1s);
}

/// Logs the error, but at most once a second: when descriptors run out, accept() fails thousands
/// of times.
void server::log_error(const syscall_error& reason) try {
    if (clock::now() - last_logged_ < 1s) return;
    last_logged_ = clock::now();
    log("{}", failure(reason).message());
} catch (const std::bad_alloc&) {
    // No memory for the line, so nothing is logged.
}

op_error server::failure(const syscall_error& reason) const {
    return {"accept", listener_.network, "", listener_.local.to_string(), reason.message()};
}

// [stop]
/// Wakes every thread that sleeps in accept() or read(). Only shutdown() is safe for that, because
/// the socket remembers it: accept() fails and read() returns 0, in this call or in the next. A
/// thread that sleeps does not look at a flag; a signal is lost if it arrives just before the
/// call; and after close() another socket could get the number before the thread uses it again.
void server::stop() {
    const std::lock_guard lock(mutex_);
    grace_ends_ = clock::now() + options_.grace;
    stopping_ = true;
    ::shutdown(listener_.fd.get(), SHUT_RD);
    for (const int fd : open_) ::shutdown(fd, SHUT_RD);
    changed_.notify_all();
}
// [stop]

void server::drain() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopping_.load(); });
    const auto all_left = [&] { return open_.empty(); };
    if (changed_.wait_until(lock, grace_ends_, all_left)) return;
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR); // wakes threads in write()
    changed_.wait(lock, all_left);
}

} // namespace

std::expected<void, op_error> serve(listener listener, const options& options,
                                    const std::function<void()>& ready) {
    server server(std::move(listener), options);
    const auto event = open_stop_event();
    if (!event) return std::unexpected(server.failure(event.error()));
    // The request to stop is handled by a thread: a signal handler must not lock a mutex.
    try {
        std::thread([&server, number = event->get()] {
            std::uint64_t requests = 0;
            while (::read(number, &requests, sizeof requests) < 0) {}
            server.stop();
        }).detach();
    } catch (const std::system_error& error) {
        return std::unexpected(server.failure({"pthread_create", error.code().value()}));
    }
    ready();
    auto ended = server.accept_loop();
    request_stop(); // after a failure of the listener: drain() waits for stop()
    server.drain();
    return ended;
}

} // namespace stage1
