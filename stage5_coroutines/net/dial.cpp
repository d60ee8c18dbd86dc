/// \file
/// How dial() gets from a name to its families, to their addresses and to a connected socket.

#include "dial.hpp"

#include "../runtime/chan.hpp"
#include "../runtime/time.hpp"
#include "../syscall/socket.hpp"
#include "../syscall/trace.hpp"
#include "lookup.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

namespace stage5::net {
namespace {

error failed(const std::string& network, const address& to, io_error why,
             std::string_view call = "connect") {
    return error({"dial", network, "", to.to_string(), why.message(call)}, why);
}

error out_of_memory(const std::string& network) {
    return error({"dial", network, "", "", "out of memory"}, {});
}

error too_late(const std::string& network, std::string_view to = "") {
    const io_error why{io_error::reason::deadline_exceeded};
    return error({"dial", network, "", std::string(to), why.message("")}, why);
}

/// A family in a race, and its result.
struct racer {
    std::string network;
    std::vector<address> addresses;
    deadline until;
    std::shared_ptr<cancellation> race;
    std::shared_ptr<chan<std::pair<bool, dialed>>> results;
    bool is_first;
    dialed result; ///< at first an error, made while there is memory for it
};

task<> run(racer who) {
    try {
        auto connected = co_await dial_serial(who.network, who.addresses, who.until, who.race);
        who.result = std::move(connected);
    } catch (const std::bad_alloc&) { // `result` stays the error: dial_parallel() waits for one
    }
    who.results->try_send({who.is_first, std::move(who.result)});
}

/// Ends a race when dial_parallel() ends, also by an exception. Go: defer cancel()
class deferred_cancel {
public:
    explicit deferred_cancel(cancellation& race) : race_(race) {}
    deferred_cancel(const deferred_cancel&) = delete;
    deferred_cancel& operator=(const deferred_cancel&) = delete;
    ~deferred_cancel() { race_.cancel(); }

private:
    cancellation& race_;
};

/// Asks the socket how its connect has ended. \return 0, or -1 with errno
int connect_error(int fd) {
    int number = 0;
    socklen_t size = sizeof number;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size);
    errno = number;
    return number == 0 ? 0 : -1;
}

bool has_peer(int fd) {
    address peer;
    return ::getpeername(fd, &peer.any, &peer.length) == 0;
}

/// Replaces "every interface" by the loopback address, which is what Linux connects to then.
void replace_wildcard(address& to) {
    if (to.family() == AF_INET && to.in.sin_addr.s_addr == INADDR_ANY)
        to.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (to.family() == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&to.in6.sin6_addr) != 0)
        to.in6.sin6_addr = in6addr_loopback;
}

// [connect]
/// Connects a socket. Go: netFD.connect. connect() only begins. When the socket is writable, it has
/// ended, and SO_ERROR says how. The socket goes into the poller after that call: before, epoll
/// reports that it has hung up, and its poll_desc would keep that for the whole generation.
task<std::expected<fd_ref, io_error>> connect(unique_fd socket, address to, deadline until,
                                              std::shared_ptr<cancellation> race) {
    replace_wildcard(to);
    const bool connected = trace::connect(socket.get(), &to.any, to.length) == 0;
    if (!connected && errno != EINPROGRESS && errno != EINTR)
        co_return std::unexpected(io_error{io_error::reason::failed, errno});
    auto opened = fd::open(std::move(socket), to);
    if (!opened)
        co_return std::unexpected(io_error{io_error::reason::failed, opened.error().number});
    if (connected) co_return *opened;

    fd& connecting = **opened;
    connecting.set_deadline(direction::write, to_nanotime(until));
    io_error failed;
    if (!race->add(*opened)) failed.why = io_error::reason::net_closing;
    while (!failed) {
        failed = co_await writable_call(connecting);
        if (failed) break;
        bool connects = false; // set with a reference, because cancel() may close the fd
        failed = connecting.with_descriptor([&](int fd) {
            connects = has_peer(fd);
            return connect_error(fd);
        });
        // Writable without an error and without a peer: a spurious wake-up. Go issue 19289
        if (connects) break;
    }
    race->remove(*opened);
    connecting.set_deadline(direction::write, 0);
    if (failed) co_return std::unexpected(failed);
    co_return *opened;
}
// [connect]

/// True if a socket has connected to itself: on Linux that happens if the kernel chooses for it the
/// very port that it connects to. Also true after EADDRNOTAVAIL, which may be spurious. In both
/// cases trying again may succeed. Go: selfConnect, spuriousENOTAVAIL
bool is_spurious(const std::expected<fd_ref, io_error>& connected) {
    if (!connected) return connected.error().number == EADDRNOTAVAIL;
    const auto local = (*connected)->local_addr();
    return local.family() != AF_UNIX &&
           local.to_string() == (*connected)->remote_addr().to_string();
}

/// Makes a socket and connects it to one address, up to three times. Go: sysDialer.doDialTCP
task<dialed> dial_one(std::string network, address to, deadline until,
                      std::shared_ptr<cancellation> race) {
    const auto make = [&] {
        return unique_fd(::socket(to.family(), SOCK_STREAM | socket_flags, 0));
    };
    auto socket = make();
    if (!socket)
        co_return std::unexpected(failed(network, to, {io_error::reason::failed, errno}, "socket"));
    auto connected = co_await connect(std::move(socket), to, until, race);
    for (int again = 0; again < 2 && is_spurious(connected); ++again) {
        socket = make();
        if (!socket) break;
        auto better = co_await connect(std::move(socket), to, until, race);
        connected = std::move(better);
    }
    if (!connected) co_return std::unexpected(failed(network, to, connected.error()));
    conn made(std::move(*connected));
    if (to.family() != AF_UNIX) {
        static_cast<void>(made.set_no_delay(true)); // both as Go: newTCPConn
        static_cast<void>(made.set_keep_alive(std::chrono::seconds(15)));
    }
    co_return made;
}

} // namespace

task<dialed> dial(std::string network, std::string address, std::chrono::nanoseconds timeout) {
    const auto where = parse_endpoint(network, address);
    if (!where) co_return std::unexpected(error({"dial", network, "", "", where.error()}, {}));
    const deadline until = timeout.count() == 0 ? deadline() : after(timeout);
    auto found = co_await lookup_host(*where, until);
    if (!found) co_return std::unexpected(too_late(network, address));
    if (!*found) co_return std::unexpected(error({"dial", network, "", "", found->error()}, {}));

    std::vector<stage5::address> first, second; // by family, in the order of the lookup
    for (const auto& to : **found)
        (to.family() == (*found)->front().family() ? first : second).push_back(to);
    if (second.empty())
        co_return co_await dial_serial(network, std::move(first), until,
                                       std::make_shared<cancellation>());
    co_return co_await dial_parallel(network, std::move(first), std::move(second), until);
}

// [dial_parallel]
task<dialed> dial_parallel(std::string network, std::vector<address> first,
                           std::vector<address> second, deadline until,
                           std::chrono::nanoseconds delay) {
    const auto race = std::make_shared<cancellation>();
    const deferred_cancel last(*race);
    // Has room for both results: the loser can send its own, and the channel goes away with it.
    const auto results = std::make_shared<chan<std::pair<bool, dialed>>>(2);
    const dialed unknown = std::unexpected(out_of_memory(network));
    go(run({network, std::move(first), until, race, results, true, unknown}));

    auto result = co_await results->receive(after(delay));
    int running = 1;
    if (!result || !result->second) {
        go(run({network, std::move(second), until, race, results, false, unknown}));
        ++running;
    }
    std::optional<dialed> failed;
    while (true) {
        if (result) {
            auto& [is_first, connected] = *result;
            if (is_first || connected || !failed) failed = std::move(connected);
            if (*failed || --running == 0) co_return *std::move(failed);
        }
        auto next = co_await results->receive();
        result = std::move(next);
    }
}
// [dial_parallel]

// [dial_serial]
task<dialed> dial_serial(std::string network, std::vector<address> addresses, deadline until,
                         std::shared_ptr<cancellation> race) {
    dialed failed = std::unexpected(too_late(network, addresses.front().to_string()));
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        const auto share = partial_deadline(std::chrono::steady_clock::now(), until,
                                            addresses.size() - i);
        if (!share) break;
        auto connected = co_await dial_one(network, addresses[i], *share, race);
        if (connected) co_return std::move(connected);
        if (i == 0) failed = std::move(connected);
    }
    co_return std::move(failed);
}
// [dial_serial]

std::optional<deadline> partial_deadline(deadline now, deadline until, std::size_t addresses) {
    constexpr std::chrono::nanoseconds sane_minimum = std::chrono::seconds(2);
    if (until == deadline()) return until;
    const std::chrono::nanoseconds left = until - now;
    if (left.count() <= 0) return {};
    return now +
           std::max(left / static_cast<std::int64_t>(addresses), std::min(left, sane_minimum));
}

void cancellation::cancel() {
    std::vector<fd_ref> ended;
    {
        const std::lock_guard lock(mutex_);
        cancelled_ = true;
        ended.swap(connecting_);
    }
    for (const auto& each : ended) each->close();
}

bool cancellation::add(const fd_ref& connecting) {
    const std::lock_guard lock(mutex_);
    if (!cancelled_) connecting_.push_back(connecting);
    return !cancelled_;
}

void cancellation::remove(const fd_ref& connected) {
    const std::lock_guard lock(mutex_);
    std::erase_if(connecting_, [&](const auto& each) { return &*each == &*connected; });
}

} // namespace stage5::net
