/// \file
/// Sketch 3, level-triggered epoll. The kernel keeps the list of clients and reports only those
/// that are ready, as long as they are. So EPOLLOUT is asked for only while bytes are unsent.
/// It forgets: out of descriptors, epoll_wait() reports the listener again and again, and uses a
/// whole core. It has no timeouts and no graceful stop.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

namespace {

int must(int result, const char* call) noexcept {
    if (result >= 0) return result;
    std::perror(call);
    std::exit(1);
}

std::map<int, std::string> clients; ///< by descriptor: what was read and is still unsent
const int epfd = must(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");

void watch(int operation, int fd, EPOLL_EVENTS events) {
    epoll_event event{events, {.fd = fd}};
    must(::epoll_ctl(epfd, operation, fd, &event), "epoll_ctl");
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
    watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    ::dprintf(STDOUT_FILENO, "listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    return fd;
}

void handle(int fd) {
    char buffer[4096];
    std::string& unsent = clients[fd];
    if (!unsent.empty()) watch(EPOLL_CTL_MOD, fd, EPOLLIN); // was EPOLLOUT
    while (true) {
        if (unsent.empty()) {
            const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
            if (n < 0 && errno == EAGAIN) return;
            if (n <= 0) break; // the client has left, or an error
            unsent.assign(buffer, buffer + n);
        }
        const ssize_t n = ::send(fd, unsent.data(), unsent.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) return watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
        if (n < 0) break;
        unsent.erase(unsent.begin(), unsent.begin() + n);
        if (unsent.empty()) return; // epoll_wait() reports it again if there is more to read
    }
    clients.erase(fd);
    ::close(fd);
}

void accept_clients(int listener) {
    while (true) {
        const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    }
}

void netpoll(int listener) {
    epoll_event events[64];
    const int n = ::epoll_wait(epfd, events, 64, -1); // sleeps until some are ready
    for (int i = 0; i < n; ++i) {
        const int fd = events[i].data.fd;
        const auto serve = fd == listener ? accept_clients : handle;
        serve(fd);
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
    const int listener = listen(static_cast<in_port_t>(port));
    while (true) netpoll(listener);
}
