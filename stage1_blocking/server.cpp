/// \file
/// A thread per connection. The threads sleep in accept() and read(), inside the kernel; what
/// costs is the threads themselves, and waking them when the server has to stop.
///
///     serve ── server::accept_loop ── accept, connection, start_thread
///                                     └ connection::handle ── read, write
///     a thread that waits for a signal ── server::stop ── shutdown() wakes all of them

#include "server.hpp"

#include "log.hpp"
#include "signals.hpp"

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

/// The default of 8 MiB is address space for a thousand clients; what is touched of it is memory.
/// A goroutine begins with 2 KiB.
constexpr std::size_t stack_size = 64 * 1024;
constexpr std::size_t buffer_size = 16 * 1024;

class server {
public:
    server(listener listener, const options& options)
        : listener_(std::move(listener)), options_(options) {}

    std::expected<void, op_error> accept_loop();
    void stop();  ///< may be called from any thread
    void drain(); ///< returns when stop() was called and the last connection is closed
    [[nodiscard]] op_error failure(const syscall_error& reason) const;

private:
    friend class connection;
    bool wait_for_room();
    int go(accepted client); ///< 0 or an errno
    void back_off(const syscall_error& reason);
    void complain(const syscall_error& reason);

    listener listener_;
    options options_;
    std::chrono::milliseconds pause_ = 5ms; ///< of the accept loop only
    clock::time_point last_complaint_ = {}; ///< of the accept loop only
    std::atomic<bool> stopping_ = false;    ///< written under mutex_, once
    clock::time_point grace_ends_ = {};     ///< written before stopping_, read after it
    std::mutex mutex_;                      ///< protects what follows
    std::condition_variable changed_;       ///< a connection closed, or the server stops
    std::unordered_set<int> open_;          ///< a descriptor leaves before it is closed
    bool closed_one_ = false;               ///< since accept() was last called
};

/// A client that the server knows of, from before its thread exists until it is closed.
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
/// The articles' handleConnection: as simple as a program about one client can be.
void connection::handle() {
    std::array<char, buffer_size> buffer;
    note("serving", client_.peer);
    while (!server_.stopping_) {
        const auto n = read(client_.fd.get(), buffer);
        if (!n || *n == 0) break;
        const auto message = std::span(buffer).first(*n);
        note("received from", client_.peer, message);
        if (!write(client_.fd.get(), message)) break;
        note("sent to", client_.peer, message);
    }
    if (server_.stopping_) linger();
    note("disconnected from", client_.peer);
}
// [handle]

/// Before the end of a client that may still be sending: closing now would answer what it sends
/// with a reset, and destroy what is under way to it. The kernel wakes nobody when the client has
/// everything, hence the short sleeps. (No SHUT_WR: together with stop()'s SHUT_RD it would make
/// the kernel itself send that reset.)
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
    if (server_.stopping_) ::shutdown(client_.fd.get(), SHUT_RD); // stop() came too early for us
}

connection::~connection() {
    // Closed under the lock: stop() must not shut down whoever gets this number next. Told under
    // the lock: the last connection's server is gone as soon as drain() can see that it left.
    const std::lock_guard lock(server_.mutex_);
    server_.open_.erase(client_.fd.get());
    client_.fd.reset();
    server_.closed_one_ = true;
    server_.changed_.notify_all();
}

/// The `go` statement, at the price of a thread. \return 0 or what pthread_create says
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
    if (error == 0) static_cast<void>(client.release()); // the thread's from here on
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
            else // the client is gone, which is better than all of them
                back_off(syscall_error{"pthread_create", error});
        } else if (!is_about_the_listener(client.error())) {
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

/// --max-connections: who is not accepted waits in the kernel's backlog.
bool server::wait_for_room() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopping_ || open_.size() < options_.max_connections; });
    closed_one_ = false;
    return !stopping_;
}

/// Trying again at once would take a whole core until a descriptor is free. Go's net/http waits
/// as long, 5 ms doubling to 1 s (Server.Serve), but not for a connection to close.
void server::back_off(const syscall_error& reason) {
    complain(reason);
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, pause_, [&] { return stopping_ || closed_one_; });
    pause_ = std::min<std::chrono::milliseconds>(pause_ * 2, 1s);
}

/// Once a second at most: who is out of descriptors is so thousands of times.
void server::complain(const syscall_error& reason) try {
    if (clock::now() - last_complaint_ < 1s) return;
    last_complaint_ = clock::now();
    log("{}", failure(reason).message());
} catch (const std::bad_alloc&) {
    // There is not even memory to say so.
}

op_error server::failure(const syscall_error& reason) const {
    return {"accept", listener_.network, "", listener_.local.to_string(), reason.message()};
}

// [stop]
/// How to wake a thread that sleeps in the kernel? A flag is not seen there, a signal is lost if
/// it comes just before the call, and closing the descriptor leaves a number that somebody else
/// may get. shutdown() is remembered by the socket: accept() fails, read() returns 0, now or later.
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
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR); // wakes who sleeps in write()
    changed_.wait(lock, all_left);
}

} // namespace

std::expected<void, op_error> serve(listener listener, const options& options,
                                    const std::function<void()>& ready) {
    server server(std::move(listener), options);
    const auto event = open_stop_event();
    if (!event) return std::unexpected(server.failure(event.error()));
    // A thread that waits for the request may do what a signal handler must not: lock a mutex.
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
    request_stop(); // if accept() has failed: there are clients still, and they refer to `server`
    server.drain();
    return ended;
}

} // namespace stage1
