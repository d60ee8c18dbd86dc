/// \file
/// The server of stages 2 and 3: one thread for all clients. Its loop waits for ready descriptors,
/// serves each of them once, and waits again. The functions, and what each of them calls:
///
///     serve ── server::run ── poller::wait
///                             ├ server::accept_some ── accept, poller::add
///                             ├ server::advance ── connection::advance, poller::modify
///                             └ server::take_stop_request

#include "server.hpp"

#include "connection.hpp"
#include "log.hpp"
#include "runtime/poller.hpp"
#include "signals.hpp"
#include "syscall/trace.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <new>
#include <optional>
#include <thread>
#include <unordered_map>

namespace stage3 {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr std::size_t buffer_size = 64 * 1024;
constexpr int max_accepts_per_round = 64; ///< more at once would delay the present clients

class server {
public:
    server(listener listener, const options& options);
    std::expected<void, syscall_error> begin(); ///< opens and registers what run() needs
    std::expected<void, op_error> run();
    [[nodiscard]] op_error failure(const syscall_error& reason) const;

private:
    using connections = std::unordered_map<int, connection>;

    void watch_listener(clock::time_point now);
    void accept_some();
    void admit(accepted client);
    void advance(int fd);
    void update_poller(connections::iterator which, interest watched);
    void take_stop_request();
    void finish_connections();
    void pause_after_poller_error(const syscall_error& reason);
    void back_off(const syscall_error& reason);
    void log_error(const syscall_error& reason);
    [[nodiscard]] std::chrono::milliseconds wait_timeout(clock::time_point now) const;

    options options_;
    listener listener_;
    unique_fd stop_event_; ///< readable once a stop is requested
    poller poller_;
    connections connections_;                                   ///< by descriptor
    std::vector<char> buffer_ = std::vector<char>(buffer_size); ///< for the client being served
    bool listener_watched_ = false;                             ///< the listener is in poller_
    std::chrono::milliseconds pause_ = 5ms; ///< how long the next back_off() stops accepting
    clock::time_point accept_again_ = {};   ///< accepts no client before this time
    clock::time_point last_logged_ = {};
    bool stopping_ = false;
    clock::time_point grace_ends_ = {};
    std::optional<op_error> failed_; ///< the listener's error: no client can be accepted any more
};

server::server(listener listener, const options& options)
    : options_(options), listener_(std::move(listener)) {}

std::expected<void, syscall_error> server::begin() {
    auto event = open_stop_event();
    if (!event) return std::unexpected(event.error());
    stop_event_ = std::move(*event);
    const auto opened = poller_.open();
    if (!opened) return opened;
    const auto watched = poller_.add(stop_event_.get(), interest::read);
    if (!watched) return watched;
    listener_watched_ = true;
    return poller_.add(listener_.fd.get(), interest::read);
}

// [run]
std::expected<void, op_error> server::run() {
    while (!stopping_ || (!connections_.empty() && clock::now() < grace_ends_)) {
        const auto now = clock::now();
        watch_listener(now);
        const auto ready = poller_.wait(wait_timeout(now));
        if (!ready) pause_after_poller_error(ready.error());
        for (const int fd : ready.value_or(std::span<const int>())) {
            if (fd == listener_.fd.get())
                accept_some();
            else if (fd == stop_event_.get())
                take_stop_request();
            else
                advance(fd);
        }
        if (stopping_) finish_connections();
    }
    if (failed_) return std::unexpected(*failed_);
    return {};
}
// [run]

/// Adds the listener to the poller, or removes it while no client may be accepted: during a stop or
/// a pause, or with --max-connections clients. If it stayed in the poller and clients were in its
/// backlog, every wait would return at once, and the loop would use a whole core.
void server::watch_listener(clock::time_point now) {
    const bool wanted = !stopping_ && connections_.size() < options_.max_connections &&
                        now >= accept_again_;
    if (wanted == listener_watched_) return;
    listener_watched_ = wanted;
    if (!wanted) return poller_.remove(listener_.fd.get());
    const auto watched = poller_.add(listener_.fd.get(), interest::read);
    if (watched) return;
    listener_watched_ = false;
    back_off(watched.error());
}

void server::accept_some() {
    for (int i = 0; i < max_accepts_per_round && connections_.size() < options_.max_connections;
         ++i) {
        auto client = accept(listener_.fd.get());
        if (client) {
            pause_ = 5ms;
            admit(std::move(*client));
        } else if (would_block(client.error())) {
            break;
        } else if (is_listener_error(client.error())) {
            failed_ = failure(client.error());
            request_stop(); // a graceful stop: the present clients are still served
            break;
        } else {
            back_off(client.error());
            break;
        }
    }
}

void server::admit(accepted client) {
    const int fd = client.fd.get();
    try {
        connections_.try_emplace(fd, std::move(client));
        const auto watched = poller_.add(fd, interest::read);
        if (watched) return;
        log_error(watched.error());
    } catch (const std::bad_alloc&) {
        log_error({"new", ENOMEM});
    }
    connections_.erase(fd); // drops this client only
}

/// Serves the client with this descriptor once. Since wait() reported `fd`, its connection may have
/// been closed, and a new client may have got the same number. That does no harm here: the new
/// client's read gets EAGAIN. (With edge-triggered events it could do harm: see stage 4.)
void server::advance(int fd) {
    const auto found = connections_.find(fd);
    if (found == connections_.end()) return;
    const trace::span serving("serve", {.fd = fd});
    const auto watched = found->second.wanted_events();
    try {
        found->second.advance(buffer_);
    } catch (const std::bad_alloc&) {
        log_error({"new", ENOMEM});
        found->second.close_with_reset();
    }
    update_poller(found, watched);
}

// [update_poller]
/// Updates the poller and the table after a connection has been served. Removes a closed connection
/// from both; for any other, the poller watches for what the connection wants now.
/// \param watched what the poller has watched for so far
void server::update_poller(connections::iterator which, interest watched) {
    const auto& connection = which->second;
    if (connection.is_closed()) {
        poller_.remove(connection.fd());
        connections_.erase(which);
        accept_again_ = {}; // ends a pause: a descriptor is free
    } else if (connection.wanted_events() != watched) {
        poller_.modify(connection.fd(), connection.wanted_events());
    }
}
// [update_poller]

/// Begins the stop if the first signal has requested it. The second signal does not get here: its
/// handler ends the process.
void server::take_stop_request() {
    std::uint64_t requests = 0;
    // There may be no request: pause_after_poller_error() calls this without knowing.
    if (::read(stop_event_.get(), &requests, sizeof requests) < 0) return;
    stopping_ = true;
    grace_ends_ = clock::now() + options_.grace;
    watch_listener(clock::now());
    listener_.path.remove();
    listener_.fd.reset();
}

/// Closes the connections whose clients have acknowledged everything. The kernel does not report
/// that, so run() calls this again and again while the server stops.
void server::finish_connections() {
    for (auto next = connections_.begin(); next != connections_.end();) {
        const auto which = next++;
        const auto watched = which->second.wanted_events();
        which->second.finish();
        update_poller(which, watched);
    }
}

/// Sleeps for 100 ms after the poller has failed, because it would fail again at once. Then checks
/// itself whether a stop is requested, because the poller cannot report it.
void server::pause_after_poller_error(const syscall_error& reason) {
    log_error(reason);
    std::this_thread::sleep_for(100ms);
    take_stop_request();
}

/// Stops accepting for pause_ after a failed accept, or until a connection closes. pause_ is 5 ms,
/// and each further failure doubles it, up to 1 s. Go's net/http has the same pauses when
/// descriptors run out (Server.Serve), but there a connection that closes does not end them.
void server::back_off(const syscall_error& reason) {
    log_error(reason);
    accept_again_ = clock::now() + pause_;
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

/// Returns how long the poller may wait: until the next finish_connections(), or until the end of a
/// pause.
std::chrono::milliseconds server::wait_timeout(clock::time_point now) const {
    if (stopping_) return 10ms;
    if (now < accept_again_)
        return std::chrono::ceil<std::chrono::milliseconds>(accept_again_ - now);
    return poller::forever;
}

} // namespace

std::expected<void, op_error> serve(listener listener, const options& options,
                                    const std::function<void()>& ready) {
    server server(std::move(listener), options);
    const auto begun = server.begin();
    if (!begun) return std::unexpected(server.failure(begun.error()));
    ready();
    return server.run();
}

} // namespace stage3
