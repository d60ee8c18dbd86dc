/// \file
/// One thread for everyone: ask who is ready, give each of them a turn, ask again.
///
///     serve ── server::run ── poller::wait
///                             ├ server::accept_some ── accept, poller::add
///                             ├ server::advance ── connection::advance, poller::modify
///                             └ server::take_signal

#include "server.hpp"

#include "connection.hpp"
#include "log.hpp"
#include "poller.hpp"
#include "trace.hpp"

#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <new>
#include <unordered_map>

namespace stage2 {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr std::size_t buffer_size = 64 * 1024;
constexpr int accepts_a_turn = 64; ///< a flood of clients must not keep the others waiting

sigset_t stop_signals() {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGINT);
    ::sigaddset(&set, SIGTERM);
    return set;
}

class server {
public:
    server(listener listener, unique_fd signals, const options& options);
    std::expected<void, op_error> run();

private:
    using connections = std::unordered_map<int, connection>;

    void watch_listener(clock::time_point now);
    std::expected<void, op_error> accept_some();
    void admit(accepted client);
    void advance(int fd);
    void settle(connections::iterator which, interest watched);
    void take_signal();
    void sweep();
    void back_off(const syscall_error& reason);
    void complain(const syscall_error& reason);
    [[nodiscard]] op_error failure(const syscall_error& reason) const;
    [[nodiscard]] std::chrono::milliseconds patience(clock::time_point now) const;

    options options_;
    listener listener_;
    unique_fd signals_; ///< SIGINT and SIGTERM as something to read
    poller poller_;
    connections connections_;                                   ///< by descriptor
    std::vector<char> buffer_ = std::vector<char>(buffer_size); ///< lent to whose turn it is
    bool listener_watched_ = false;
    std::chrono::milliseconds pause_ = 5ms; ///< the next one, after a failed accept
    clock::time_point accept_again_ = {};   ///< not before
    clock::time_point last_complaint_ = {};
    bool stopping_ = false;
    clock::time_point grace_ends_ = {};
};

server::server(listener listener, unique_fd signals, const options& options)
    : options_(options), listener_(std::move(listener)), signals_(std::move(signals)),
      poller_(options.wait) {}

// [run]
std::expected<void, op_error> server::run() {
    const auto watched = poller_.add(signals_.get(), interest::read);
    if (!watched) return std::unexpected(failure(watched.error()));
    while (!stopping_ || (!connections_.empty() && clock::now() < grace_ends_)) {
        const auto now = clock::now();
        watch_listener(now);
        for (const int fd : poller_.wait(patience(now))) {
            if (fd == listener_.fd.get()) {
                const auto accepted = accept_some();
                if (!accepted) return accepted;
            } else if (fd == signals_.get()) {
                take_signal();
            } else {
                advance(fd);
            }
        }
        if (stopping_) sweep();
    }
    return {};
}
// [run]

/// A listener with clients in its backlog is ready at once, every time. While we can't or may not
/// take them, it must be out of the set, or waiting turns into spinning.
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

std::expected<void, op_error> server::accept_some() {
    for (int i = 0; i < accepts_a_turn && connections_.size() < options_.max_connections; ++i) {
        auto client = accept(listener_.fd.get());
        if (client) {
            pause_ = 5ms;
            admit(std::move(*client));
        } else if (would_block(client.error())) {
            break;
        } else if (is_out_of_resources(client.error())) {
            back_off(client.error());
            break;
        } else {
            return std::unexpected(failure(client.error()));
        }
    }
    return {};
}

void server::admit(accepted client) {
    const int fd = client.fd.get();
    try {
        connections_.try_emplace(fd, std::move(client));
        const auto watched = poller_.add(fd, interest::read);
        if (watched) return;
        complain(watched.error());
    } catch (const std::bad_alloc&) {
        complain({"new", ENOMEM});
    }
    connections_.erase(fd); // this one only
}

/// A descriptor of this turn may have been closed in this turn, and even be somebody else's by
/// now. That one then meets EAGAIN. (With edges it would not be so harmless: stage 4.)
void server::advance(int fd) {
    const auto found = connections_.find(fd);
    if (found == connections_.end()) return;
    const trace::span turn("turn", {.fd = fd});
    const auto watched = found->second.wants();
    try {
        found->second.advance(buffer_);
    } catch (const std::bad_alloc&) {
        complain({"new", ENOMEM});
        found->second.cut_off();
    }
    settle(found, watched);
}

// [settle]
/// Makes the poller and the table agree with what the connection wants now.
void server::settle(connections::iterator which, interest watched) {
    const auto& connection = which->second;
    if (connection.is_closed()) {
        poller_.remove(connection.fd());
        connections_.erase(which);
        accept_again_ = {}; // a descriptor is free
    } else if (connection.wants() != watched) {
        poller_.modify(connection.fd(), connection.wants());
    }
}
// [settle]

/// The first signal begins the stop, the second ends the process.
void server::take_signal() {
    signalfd_siginfo info{};
    if (::read(signals_.get(), &info, sizeof info) != sizeof info) return; // spin only asks
    if (stopping_) ::_exit(0);
    stopping_ = true;
    grace_ends_ = clock::now() + options_.grace;
    watch_listener(clock::now());
    listener_.path.remove();
    listener_.fd.reset();
}

/// Nobody is told that a client has acknowledged everything, so while the server stops it looks.
void server::sweep() {
    for (auto next = connections_.begin(); next != connections_.end();) {
        const auto which = next++;
        const auto watched = which->second.wants();
        which->second.finish();
        settle(which, watched);
    }
}

/// Go's net/http waits as long when it is out of descriptors, 5 ms doubling to 1 s
/// (Server.Serve), but not for a connection to close.
void server::back_off(const syscall_error& reason) {
    complain(reason);
    accept_again_ = clock::now() + pause_;
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

std::chrono::milliseconds server::patience(clock::time_point now) const {
    if (stopping_) return 10ms;
    if (now < accept_again_)
        return std::chrono::ceil<std::chrono::milliseconds>(accept_again_ - now);
    return poller::forever;
}

} // namespace

void block_stop_signals() {
    const auto signals = stop_signals();
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

std::expected<void, op_error> serve(listener listener, const options& options) {
    const auto signals = stop_signals();
    unique_fd readable{::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC)};
    if (!readable)
        return std::unexpected(op_error{"accept", listener.network, "", listener.local.to_string(),
                                        syscall_error{"signalfd", errno}.message()});
    return server(std::move(listener), std::move(readable), options).run();
}

} // namespace stage2
