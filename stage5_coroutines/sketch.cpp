/// \file
/// Sketch 5, parked coroutines. Their code is that of sketch 1: where that one sleeps, co_await
/// parks the coroutine, and the thread returns to netpoll(). It forgets what sketch 4 forgets.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <coroutine>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string_view>
#include <utility>

namespace {

int must(int result, const char* call) noexcept {
    if (result >= 0) return result;
    std::perror(call);
    std::exit(1);
}

using waiter = std::coroutine_handle<>;     ///< a coroutine
constexpr waiter nil = nullptr;             ///< no event has come, and nothing is parked
const waiter ready = std::noop_coroutine(); ///< an event has come; only the address is used
using steady = std::chrono::steady_clock;
std::multimap<steady::time_point, int> deadlines; ///< by time; the listener's never comes

struct poll_desc {
    waiter rg = nil; ///< waits to read; or nil, or ready
    waiter wg = nil; ///< waits to write; or nil, or ready
    decltype(deadlines)::iterator deadline;
};

std::map<int, poll_desc> poll_descs;
const int epfd = must(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");

void watch(int fd) {
    poll_descs[fd] = {nil, nil, deadlines.emplace(steady::time_point::max(), fd)};
    epoll_event event{EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, {.fd = fd}};
    must(::epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

/// A coroutine that begins at once and is destroyed at its end. Go: what a go statement starts
struct task {
    struct promise_type {
        static task get_return_object() { return {}; }
        static std::suspend_never initial_suspend() noexcept { return {}; }
        static std::suspend_never final_suspend() noexcept { return {}; }
        static void unhandled_exception() { std::abort(); }
        void return_void() {}
    };
};

/// Parks a coroutine, unless an event has come before. Go: netpollblock
struct block {
    poll_desc& pd;
    waiter& word;
    bool await_ready() { return std::exchange(word, nil) == ready; }
    void await_suspend(waiter self) { word = self; }
    bool await_resume() const { return steady::now() < pd.deadline->first; }
};

const auto readable = [](int fd) { return block{poll_descs[fd], poll_descs[fd].rg}; };
const auto writable = [](int fd) { return block{poll_descs[fd], poll_descs[fd].wg}; };

/// On an event: resumes the parked coroutine, or remembers the event. Go: netpollunblock
void unblock(waiter& word) {
    if (word != nil && word != ready) return std::exchange(word, nil).resume();
    word = ready;
}

int listen(in_port_t port) {
    const int fd = must(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
    const int on = 1;
    must(::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "setsockopt");
    must(::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt"); // for clients
    sockaddr_in address{AF_INET, htons(port), {htonl(INADDR_LOOPBACK)}, {}};
    socklen_t size = sizeof address;
    must(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), "bind");
    must(::listen(fd, SOMAXCONN), "listen");
    must(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
    watch(fd);
    ::dprintf(STDOUT_FILENO, "listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    return fd;
}

task handle(int fd) {
    char buffer[4096];
    std::string_view unsent;
    poll_desc& pd = poll_descs[fd];
    while (true) {
        if (unsent.empty()) {
            deadlines.erase(pd.deadline);
            pd.deadline = deadlines.emplace(steady::now() + std::chrono::minutes(1), fd);
            const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
            if (n < 0 && errno == EAGAIN && co_await readable(fd)) continue;
            if (n <= 0) break; // the client has left, or an error
            unsent = {buffer, buffer + n};
        }
        const ssize_t n = ::send(fd, unsent.data(), unsent.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN && co_await writable(fd)) continue;
        if (n < 0) break;
        unsent = {unsent.begin() + n, unsent.end()};
    }
    deadlines.erase(pd.deadline);
    ::close(fd);
}

task accept_clients(int listener) {
    while (true) {
        const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && co_await readable(listener)) continue;
        watch(fd);
        handle(fd);
    }
}

void netpoll() {
    epoll_event events[64];
    const int n = ::epoll_wait(epfd, events, 64, 1000); // sleeps for a second at most
    for (int i = 0; i < n; ++i) {
        const int fd = events[i].data.fd;
        if ((events[i].events & ~EPOLLOUT) != 0) unblock(poll_descs[fd].rg); // HUP, ERR: both
        if ((events[i].events & ~EPOLLIN) != 0) unblock(poll_descs[fd].wg);
    }
    while (deadlines.begin()->first <= steady::now()) { // wakes as an event does
        const int fd = deadlines.begin()->second;
        unblock(poll_descs[fd].rg);
        unblock(poll_descs[fd].wg);
    }
}

} // namespace

int main(int argc, char** argv) {
    char* end = nullptr;
    const long port = argc == 2 ? std::strtol(argv[1], &end, 10) : -1;
    if (port < 0 || port > 65535 || end == argv[1] || *end != '\0') {
        std::fputs("usage: sketch PORT\n", stderr);
        return 2;
    }
    accept_clients(listen(static_cast<in_port_t>(port)));
    while (true) netpoll();
}
