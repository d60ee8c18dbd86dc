/// \file
/// An echo server that is right, and five that are broken on purpose, each in one way that real
/// servers have been: the harness must pass the one and fail the others. The five defects are
/// the lines that ask `has(...)`; nothing else may be wrong here.
///
///     broken_server nothing|loses_a_byte|drops_owed|buffers_without_bound|
///                   leaks_descriptors|spins_on_emfile PORT

#include "harness/endpoint.hpp"
#include "harness/unique_fd.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

using harness::check;
using harness::unique_fd;

enum class defect {
    nothing,
    loses_a_byte,          ///< the one that makes more than 64 KiB
    drops_owed,            ///< closes when the client has half-closed, whatever it is owed
    buffers_without_bound, ///< reads on although the client does not take anything
    leaks_descriptors,     ///< one for each connection
    spins_on_emfile,       ///< asks again at once when it is out of descriptors
};
constexpr std::array<std::string_view, 6> names{"nothing",           "loses_a_byte",
                                                "drops_owed",        "buffers_without_bound",
                                                "leaks_descriptors", "spins_on_emfile"};

struct connection {
    unique_fd fd;
    std::vector<char> owed; ///< read, not yet sent
    std::size_t total = 0;  ///< bytes read in its life
    bool ended = false;     ///< the client has half-closed
};

class broken_server {
public:
    broken_server(defect which, std::uint16_t port) : defect_(which) {
        constexpr int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
        listener_ = unique_fd(check(::socket(AF_INET, type, 0), "socket"));
        const int on = 1;
        ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        const auto address = harness::loopback4(port);
        check(::bind(listener_.get(), address.get(), address.length), "bind");
        check(::listen(listener_.get(), SOMAXCONN), "listen");
        epoll_ = unique_fd(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
        watch(listener_.get(), EPOLLIN, EPOLL_CTL_ADD);
    }

    [[noreturn]] void serve() {
        std::array<epoll_event, 64> events{};
        while (true) {
            // Out of descriptors, the listener is left alone until one is free, or 100 ms.
            const int limit = accepting_ ? -1 : 100;
            const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), limit);
            if (count == 0) accept_again();
            for (std::size_t i = 0; i < static_cast<std::size_t>(std::max(count, 0)); ++i)
                handle(events.at(i));
        }
    }

private:
    [[nodiscard]] bool has(defect one) const { return defect_ == one; }

    void watch(int fd, std::uint32_t events, int operation) {
        epoll_event event{};
        event.events = events;
        event.data.fd = fd;
        check(::epoll_ctl(epoll_.get(), operation, fd, &event), "epoll_ctl");
    }

    void accept_again() {
        if (!accepting_) watch(listener_.get(), EPOLLIN, EPOLL_CTL_MOD);
        accepting_ = true;
    }

    void accept_one() {
        const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            connections_[fd].fd = unique_fd(fd);
            watch(fd, EPOLLIN, EPOLL_CTL_ADD);
            if (has(defect::leaks_descriptors)) static_cast<void>(::dup(epoll_.get()));
        } else if ((errno == EMFILE || errno == ENFILE) && !has(defect::spins_on_emfile)) {
            watch(listener_.get(), 0, EPOLL_CTL_MOD);
            accepting_ = false;
        }
    }

    void handle(const epoll_event& event) {
        if (event.data.fd == listener_.get()) return accept_one();
        const auto found = connections_.find(event.data.fd);
        if (found == connections_.end()) return;
        auto& one = found->second;
        if (has(defect::drops_owed) && (event.events & EPOLLRDHUP) != 0) return drop(found->first);
        const bool lives = flush(one) && take(one) && flush(one);
        if (!lives || (one.ended && one.owed.empty()))
            drop(found->first);
        else
            watch(one.fd.get(), wanted(one), EPOLL_CTL_MOD);
    }

    [[nodiscard]] std::uint32_t wanted(const connection& one) const {
        std::uint32_t events = one.owed.empty() ? 0U : EPOLLOUT;
        if (may_read(one)) events |= EPOLLIN;
        if (has(defect::drops_owed)) events |= EPOLLRDHUP;
        return events;
    }

    [[nodiscard]] bool may_read(const connection& one) const {
        return !one.ended && (one.owed.empty() || has(defect::buffers_without_bound));
    }

    /// \return false if the connection is over
    bool take(connection& one) const {
        if (!may_read(one)) return true;
        std::array<char, 16384> buffer{};
        const auto count = ::recv(one.fd.get(), buffer.data(), buffer.size(), 0);
        if (count < 0) return errno == EAGAIN || errno == EINTR;
        one.ended = count == 0;
        const auto size = static_cast<std::size_t>(count);
        one.owed.insert(one.owed.end(), buffer.data(), buffer.data() + size);
        if (has(defect::loses_a_byte) && one.total <= 65536 && one.total + size > 65536)
            one.owed.pop_back();
        one.total += size;
        return true;
    }

    /// Sends what the client takes. \return false if the connection is over
    static bool flush(connection& one) {
        if (one.owed.empty()) return true;
        const auto count = ::send(one.fd.get(), one.owed.data(), one.owed.size(), MSG_NOSIGNAL);
        if (count < 0) return errno == EAGAIN || errno == EINTR;
        one.owed.erase(one.owed.begin(), one.owed.begin() + count);
        return true;
    }

    void drop(int fd) {
        connections_.erase(fd);
        accept_again();
    }

    defect defect_;
    unique_fd listener_, epoll_;
    std::unordered_map<int, connection> connections_;
    bool accepting_ = true;
};

} // namespace

int main(int count, char** words) {
    const std::vector<std::string_view> arguments(words + 1, words + count);
    std::uint16_t port = 0;
    const auto* const name = arguments.empty() ? names.end()
                                               : std::ranges::find(names, arguments[0]);
    if (arguments.size() == 2)
        std::from_chars(arguments[1].data(), arguments[1].data() + arguments[1].size(), port);
    if (name == names.end() || port == 0) {
        fmt::print(stderr, "broken_server {} PORT\n", fmt::join(names, "|"));
        return 2;
    }
    broken_server(static_cast<defect>(name - names.begin()), port).serve();
}
