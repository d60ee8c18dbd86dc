/// \file
/// Sketch 2, non-blocking calls and poll(). One thread serves all clients: a call that would sleep
/// gives EAGAIN instead. Only poll() sleeps, so only poll() can be interrupted by a signal.
/// It forgets: out of descriptors, poll() reports the listener again and again, and uses a whole
/// core. It has no timeouts and no graceful stop.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

namespace {

int must(int result, const char* call) noexcept {
    if (result >= 0) return result;
    std::perror(call);
    std::exit(1);
}

std::map<int, std::string> clients; ///< by descriptor: what was read and is still unsent

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
    ::dprintf(STDOUT_FILENO, "listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    return fd;
}

void handle(int fd) {
    char buffer[4096];
    std::string& unsent = clients[fd];
    while (true) {
        if (unsent.empty()) {
            const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
            if (n < 0 && errno == EAGAIN) return;
            if (n <= 0) break; // the client has left, or an error
            unsent.assign(buffer, buffer + n);
        }
        const ssize_t n = ::send(fd, unsent.data(), unsent.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) return;
        if (n < 0) break;
        unsent.erase(unsent.begin(), unsent.begin() + n);
        if (unsent.empty()) return; // poll() reports it again if there is more to read
    }
    clients.erase(fd);
    ::close(fd);
}

void accept_clients(int listener) {
    while (true) {
        const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        clients[fd] = "";
    }
}

/// Sleeps until some are ready, and serves them. poll() checks every client, each time.
void netpoll(int listener) {
    std::vector<pollfd> list{{listener, POLLIN, 0}};
    for (const auto& [fd, unsent] : clients) {
        const short events = unsent.empty() ? POLLIN : POLLOUT;
        list.push_back({fd, events, 0});
    }
    ::poll(list.data(), list.size(), -1); // if a signal ends it, none is ready
    for (const pollfd& each : list) {
        const auto serve = each.fd == listener ? accept_clients : handle;
        if (each.revents != 0) serve(each.fd);
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
