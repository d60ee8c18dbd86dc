/// \file
/// An echo server that is right, and many that are broken on purpose, each in one way that real
/// servers have been (defects.hpp): the harness must pass the one and fail the others. A defect is
/// the lines that ask `has(...)`; nothing else may be wrong here.
///
///     broken_server DEFECT PORT
///     broken_server --listen 127.0.0.1:PORT DEFECT [--idle-timeout 300ms]

#include "harness/broken/defects.hpp"
#include "harness/broken/orders.hpp"
#include "harness/endpoint.hpp"
#include "harness/unique_fd.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

using broken::defect;
using broken::orders;
using harness::check;
using harness::unique_fd;
using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t buffer_size = 16384;

struct connection {
    unique_fd fd;
    std::vector<char> owed; ///< read, not yet sent
    std::size_t total = 0;  ///< bytes read in its life
    std::size_t last_read = 0;
    bool ended = false; ///< the client has half-closed
    clock::time_point heard = clock::now();
};

class broken_server {
public:
    explicit broken_server(const orders& how) : how_(how) {
        const int flags = SOCK_NONBLOCK | (has(defect::inherits_descriptors) ? 0 : SOCK_CLOEXEC);
        accept_flags_ = flags;
        listener_ = unique_fd(check(::socket(AF_INET, SOCK_STREAM | flags, 0), "socket"));
        set_option(SOL_SOCKET, SO_REUSEADDR, 1);
        set_option(IPPROTO_TCP, TCP_NODELAY, has(defect::delays_small_writes) ? 0 : 1);
        set_option(SOL_SOCKET, SO_KEEPALIVE, 1);
        set_option(IPPROTO_TCP, TCP_KEEPIDLE, 15);
        set_option(IPPROTO_TCP, TCP_KEEPINTVL, 15);
        set_option(IPPROTO_TCP, TCP_KEEPCNT, 9);
        auto address = harness::loopback4(how.port);
        check(::bind(listener_.get(), address.get(), address.length), "bind");
        check(::listen(listener_.get(), has(defect::short_backlog) ? 5 : 65536), "listen");
        check(::getsockname(listener_.get(), address.get(), &address.length), "getsockname");
        fmt::print("listening on 127.0.0.1:{}\n", address.port());
        std::fflush(stdout);
        epoll_ = unique_fd(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
        watch(listener_.get(), listener_events(), EPOLL_CTL_ADD);
        sigset_t stop;
        ::sigemptyset(&stop);
        ::sigaddset(&stop, SIGTERM);
        ::sigaddset(&stop, SIGINT);
        ::sigprocmask(SIG_BLOCK, &stop, nullptr);
        signals_ = unique_fd(check(::signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd"));
        watch(signals_.get(), EPOLLIN, EPOLL_CTL_ADD);
    }

    void serve() {
        std::array<epoll_event, 64> events{};
        while (!stopping_ || !connections_.empty()) {
            const int limit = patience();
            const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), limit);
            if (count == 0) accept_again();
            for (std::size_t i = 0; i < static_cast<std::size_t>(std::max(count, 0)); ++i)
                handle(events.at(i));
            for (const int number : std::exchange(gone_, {})) connections_.erase(number);
            expire();
        }
    }

private:
    [[nodiscard]] bool has(defect one) const { return how_.which == one; }

    void set_option(int level, int name, int value) const {
        ::setsockopt(listener_.get(), level, name, &value, sizeof value);
    }

    /// Out of descriptors, the listener is left alone until one is free, or 100 ms. While there
    /// are timeouts it looks every millisecond: this is not about good timers.
    [[nodiscard]] int patience() const {
        if (how_.idle_timeout.count() != 0) return 1;
        if (stopping_) return 10;
        return accepting_ ? -1 : 100;
    }

    void watch(int fd, std::uint32_t events, int operation) const {
        epoll_event event{};
        event.events = events;
        event.data.fd = fd;
        check(::epoll_ctl(epoll_.get(), operation, fd, &event), "epoll_ctl");
    }

    [[nodiscard]] std::uint32_t listener_events() const {
        return has(defect::accepts_few_an_edge) ? EPOLLIN | EPOLLET : EPOLLIN;
    }

    void accept_again() {
        if (!accepting_) watch(listener_.get(), listener_events(), EPOLL_CTL_MOD);
        accepting_ = true;
    }

    void accept_some() {
        for (int i = 0; i < 8; ++i) accept_one();
    }

    void accept_one() {
        const int fd = ::accept4(listener_.get(), nullptr, nullptr, accept_flags_);
        if (fd >= 0) {
            connections_[fd] = {};
            connections_[fd].fd = unique_fd(fd);
            watch(fd, wanted(connections_[fd]), EPOLL_CTL_ADD);
            if (has(defect::leaks_descriptors)) static_cast<void>(::dup(epoll_.get()));
            if (has(defect::leaks_memory)) records_.emplace_back(8192, 'r');
        } else if ((errno == EMFILE || errno == ENFILE) && !has(defect::spins_on_emfile)) {
            watch(listener_.get(), 0, EPOLL_CTL_MOD);
            accepting_ = false;
        }
    }

    void handle(const epoll_event& event) {
        if (event.data.fd == listener_.get()) return accept_some();
        if (event.data.fd == signals_.get()) return stop();
        const auto found = connections_.find(event.data.fd);
        if (found == connections_.end()) return;
        auto& one = found->second;
        if (has(defect::drops_owed) && (event.events & EPOLLRDHUP) != 0) return drop(found->first);
        if ((event.events & EPOLLPRI) != 0) return drop(found->first); // only if asked for
        bool lives = turn(one);
        const auto since = clock::now();
        while (has(defect::serves_one_until_it_rests) && lives && !one.ended && more_comes(one) &&
               clock::now() - since < std::chrono::seconds(1))
            lives = turn(one);
        const bool over = one.ended && owed(one).empty() && !has(defect::ignores_half_close);
        if (!lives || over)
            drop(found->first);
        else if (!has(defect::loses_the_edge))
            watch(one.fd.get(), wanted(one), EPOLL_CTL_MOD);
    }

    /// \return false if the connection is over
    bool turn(connection& one) {
        if (has(defect::mixes_clients_up)) return flush(one) && take(one); // and then by EPOLLOUT
        while (flush(one) && take(one) && flush(one))
            if (!has(defect::loses_the_edge) || one.last_read < buffer_size) return true;
        return false;
    }

    static bool more_comes(const connection& one) {
        pollfd waiting{one.fd.get(), POLLIN, 0};
        return ::poll(&waiting, 1, 100) > 0;
    }

    std::vector<char>& owed(connection& one) {
        return has(defect::mixes_clients_up) ? shared_ : one.owed;
    }

    std::uint32_t wanted(connection& one) {
        if (has(defect::loses_the_edge)) return EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
        std::uint32_t events = owed(one).empty() ? 0U : EPOLLOUT;
        if (has(defect::never_arms_epollout)) events = 0;
        if (has(defect::always_arms_epollout)) events = EPOLLOUT;
        if (may_read(one)) events |= EPOLLIN;
        if (has(defect::drops_owed)) events |= EPOLLRDHUP;
        if (has(defect::closes_on_urgent_data)) events |= EPOLLPRI;
        return events;
    }

    bool may_read(connection& one) {
        return !stopping_ && !one.ended &&
               (owed(one).empty() || has(defect::buffers_without_bound));
    }

    /// \return false if the connection is over
    bool take(connection& one) {
        one.last_read = 0;
        if (!may_read(one)) return true;
        std::array<char, buffer_size> buffer{};
        const auto count = ::recv(one.fd.get(), buffer.data(), buffer.size(), 0);
        if (count < 0) return is_no_trouble();
        one.last_read = static_cast<std::size_t>(count);
        auto size = one.last_read;
        if (has(defect::takes_nul_for_the_end)) size = ::strnlen(buffer.data(), size);
        one.ended = size == 0;
        auto& into = owed(one);
        into.insert(into.end(), buffer.data(), buffer.data() + size);
        if (has(defect::loses_a_byte) && one.total <= 65536 && one.total + size > 65536)
            into.pop_back();
        one.total += size;
        if (!has(defect::does_not_move_timers)) one.heard = clock::now();
        return true;
    }

    /// Sends what the client takes. \return false if the connection is over
    bool flush(connection& one) {
        auto& from = owed(one);
        if (from.empty()) return true;
        const int flags = has(defect::dies_of_sigpipe) ? 0 : MSG_NOSIGNAL;
        const auto count = ::send(one.fd.get(), from.data(), from.size(), flags);
        if (count < 0) return is_no_trouble();
        from.erase(from.begin(), from.begin() + count);
        return true;
    }

    /// True if a call that has failed may be tried again.
    [[nodiscard]] bool is_no_trouble() const {
        if (errno == ECONNRESET && has(defect::dies_of_a_reset)) check(-1, "client");
        return errno == EAGAIN || errno == EINTR;
    }

    void drop(int fd) {
        if (has(defect::mistakes_newcomers)) {
            connections_[fd].fd.reset();
            gone_.push_back(fd);
        } else {
            connections_.erase(fd);
        }
        if (!stopping_) accept_again();
    }

    /// --idle-timeout
    void expire() {
        if (how_.idle_timeout.count() == 0) return;
        const auto early = milliseconds(has(defect::times_out_early) ? 20 : 0);
        std::erase_if(connections_, [&](const auto& each) {
            return clock::now() - each.second.heard >= how_.idle_timeout - early;
        });
    }

    /// Closes each client once all of its bytes are sent.
    void stop() {
        if (has(defect::stops_with_bytes_owed)) ::_exit(0);
        stopping_ = true;
        listener_.reset();
        std::erase_if(connections_, [](const auto& each) { return each.second.owed.empty(); });
        for (auto& [number, each] : connections_) each.ended = true;
    }

    orders how_;
    unique_fd listener_, epoll_, signals_;
    std::unordered_map<int, connection> connections_;
    std::vector<char> shared_;         ///< the unsent bytes of all, if clients are mixed up
    std::vector<std::string> records_; ///< of those who were here, if memory leaks
    std::vector<int> gone_;            ///< to be cleaned up, if newcomers are mistaken
    int accept_flags_ = 0;
    bool accepting_ = true;
    bool stopping_ = false;
};

} // namespace

int main(int count, char** words) {
    const auto how = broken::read_orders({words + 1, words + count});
    if (!how) {
        fmt::print(stderr, "broken_server DEFECT PORT, where DEFECT is one of\n");
        for (const auto& [name, which] : broken::defects) fmt::print(stderr, "  {}\n", name);
        return 2;
    }
    broken_server(*how).serve();
    return 0;
}
