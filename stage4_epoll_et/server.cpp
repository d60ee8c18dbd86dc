/// \file
/// One thread for all clients. It runs the connections that have been woken, then polls, which
/// wakes others, and so on.
///
///     serve ── server::run ── run_queue::run ── server::accept_some ── fd::accept
///                             │                 server::run_connection ── connection::advance
///                             └ netpoll::wait ── waiter::wake ── run_queue::push

#include "server.hpp"

#include "connection.hpp"
#include "log.hpp"
#include "runtime/netpoll.hpp"
#include "runtime/run_queue.hpp"
#include "signals.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <list>
#include <new>
#include <optional>

namespace stage4 {
namespace {

constexpr std::size_t buffer_size = 64 * 1024;
constexpr int max_accepts_per_round = 64; ///< more at once would delay the present clients
constexpr nanotime shortest_pause = 5'000'000, longest_pause = 1'000'000'000; ///< ns
constexpr nanotime finish_interval = 10'000'000;                              ///< ns

class server {
public:
    server(listener listener, fd socket, netpoll& poll, poll_desc& stop_event,
           const options& options);
    ~server() { queue_.end(); }
    std::expected<void, op_error> run();

private:
    /// A piece of the server's own work, queued like a connection: to accept clients, to take a
    /// request to stop, to look at the connections that are left during a stop.
    struct task : runnable {
        task(server& whose, void (*what)(runnable&)) : runnable(whose.queue_, what), of(whose) {}
        server& of;
    };

    void accept_some();
    void admit(fd client);
    void run_connection(connection& which);
    void take_stop_request();
    void stop();
    void finish_connections();
    void back_off(const syscall_error& reason);
    void log_error(const syscall_error& reason);
    [[nodiscard]] op_error failure(const syscall_error& reason) const;

    options options_;
    listener listener_; ///< without its descriptor, which socket_ has
    fd socket_;
    netpoll& poll_;
    poll_desc& stop_event_; ///< of the eventfd that is readable once a stop is requested
    run_queue queue_;
    shared_state shared_;
    std::list<connection> connections_;
    task accept_, stop_, finish_;
    alarm accept_again_, finish_again_;
    /// accept_ is not parked: it waits until a connection ends or accept_again_ rings.
    bool accept_waits_ = false;
    nanotime pause_ = shortest_pause;
    nanotime last_logged_ = 0;
    bool stopping_ = false;
    nanotime grace_ends_ = 0;
    std::optional<op_error> failed_; ///< the listener's error: no client can be accepted any more
};

server::server(listener listener, fd socket, netpoll& poll, poll_desc& stop_event,
               const options& options)
    : options_(options), listener_(std::move(listener)), socket_(std::move(socket)), poll_(poll),
      stop_event_(stop_event), shared_{queue_, options, std::vector<char>(buffer_size),
                                       [this](connection& c) { run_connection(c); }},
      accept_(*this, [](runnable& r) { static_cast<task&>(r).of.accept_some(); }),
      stop_(*this, [](runnable& r) { static_cast<task&>(r).of.take_stop_request(); }),
      finish_(*this, [](runnable& r) { static_cast<task&>(r).of.finish_connections(); }),
      accept_again_(accept_), finish_again_(finish_) {
    queue_.push(accept_);
    queue_.push(stop_);
}

// [run]
std::expected<void, op_error> server::run() {
    while (!stopping_ || (!connections_.empty() && now() < grace_ends_)) {
        queue_.run();
        poll_.wait(queue_.empty() ? poller::forever : 0);
    }
    if (failed_) return std::unexpected(*failed_);
    return {};
}
// [run]

void server::accept_some() {
    accept_waits_ = false;
    for (int i = 0; i < max_accepts_per_round; ++i) {
        if (connections_.size() >= options_.max_connections) {
            accept_waits_ = true;
            return;
        }
        auto client = socket_.accept(accept_);
        if (client) {
            pause_ = shortest_pause;
            admit(std::move(*client));
        } else if (client.error().why != io_error::reason::failed) {
            return; // accept_ is parked, or the listener is closed
        } else if (is_listener_error(client.error().call)) {
            failed_ = failure(client.error().call);
            request_stop(); // a graceful stop: the present clients are still served
            return;
        } else {
            return back_off(client.error().call);
        }
    }
    queue_.push(accept_);
}

void server::admit(fd client) try {
    auto& added = connections_.emplace_back(std::move(client), shared_);
    added.position = std::prev(connections_.end());
    queue_.push(added);
} catch (const std::bad_alloc&) {
    log_error({"new", ENOMEM});
}

/// Runs a connection. While the server runs, connections are destroyed only here: one that has just
/// run and is_finished() is neither queued nor parked.
void server::run_connection(connection& which) {
    try {
        if (which.advance()) queue_.push(which);
    } catch (const std::bad_alloc&) {
        log_error({"new", ENOMEM});
        which.close_with_reset();
    }
    if (!which.is_finished()) return;
    connections_.erase(which.position);
    if (!accept_waits_) return;
    accept_waits_ = false; // there is one connection less, and a descriptor is free
    poll_.set_alarm(accept_again_, 0);
    queue_.push(accept_);
}

/// Begins the stop if there is a request. If there is none yet, parks stop_ until an event comes.
void server::take_stop_request() {
    std::uint64_t requests = 0;
    while (::read(stop_event_.fd, &requests, sizeof requests) < 0)
        if (errno == EAGAIN && stop_event_.block(direction::read, stop_) == poll_status::parked)
            return;
    stop();
}

void server::stop() {
    stopping_ = true;
    grace_ends_ = now() + options_.grace.count();
    listener_.path.remove();
    socket_.close();
    finish_connections();
}

/// Runs every 10 ms while the server stops: closes the connections whose clients have acknowledged
/// everything. No event reports an acknowledgement.
void server::finish_connections() {
    for (auto& each : connections_) each.finish();
    poll_.set_alarm(finish_again_, now() + finish_interval);
}

/// Stops accepting for pause_ after a failed accept, or until a connection closes. pause_ is 5 ms,
/// and each further failure doubles it, up to 1 s. Go's net/http has the same pauses when
/// descriptors run out (Server.Serve), but there a connection that closes does not end them. No
/// event is needed to resume, because accept_some() begins with a try.
void server::back_off(const syscall_error& reason) {
    log_error(reason);
    accept_waits_ = true;
    poll_.set_alarm(accept_again_, now() + pause_);
    pause_ = std::min(pause_ * 2, longest_pause);
}

/// Logs the error, but at most once a second: when descriptors run out, accept() fails thousands
/// of times.
void server::log_error(const syscall_error& reason) try {
    if (last_logged_ != 0 && now() - last_logged_ < 1'000'000'000) return;
    last_logged_ = now();
    log("{}", failure(reason).message());
} catch (const std::bad_alloc&) {
    // No memory for the line, so nothing is logged.
}

op_error server::failure(const syscall_error& reason) const {
    return {"accept", listener_.network, "", listener_.local.to_string(), reason.message()};
}

} // namespace

std::expected<void, op_error> serve(listener listener, const options& options,
                                    const std::function<void()>& ready) {
    const auto failed = [&](const syscall_error& error) {
        return std::unexpected(
            op_error{"accept", listener.network, "", listener.local.to_string(), error.message()});
    };
    const auto event = open_stop_event();
    if (!event) return failed(event.error());
    const auto poll = netpoll::open();
    if (!poll) return failed(poll.error());
    auto socket = fd::open(**poll, std::move(listener.fd));
    if (!socket) return failed(socket.error());
    const auto watched = (*poll)->add(event->get());
    if (!watched) return failed(watched.error());
    server server(std::move(listener), std::move(*socket), **poll, **watched, options);
    ready();
    return server.run();
}

} // namespace stage4
