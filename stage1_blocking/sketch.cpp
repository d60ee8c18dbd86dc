/// \file
/// Sketch 1, blocking calls. accept4(), recv() and send() sleep in the kernel until they can do
/// something. A thread that sleeps for one client serves no other, so each client gets a thread.
/// It forgets: out of descriptors, it calls accept4() again and again and uses a whole core; out of
/// threads, it ends. It has no timeouts and no graceful stop.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>

namespace {

int must(int result, const char* call) noexcept {
    if (result >= 0) return result;
    std::perror(call);
    std::exit(1);
}

int listen(in_port_t port) {
    const int fd = must(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
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
    std::string_view unsent;
    while (true) {
        if (unsent.empty()) {
            const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) break; // the client has left, or an error
            unsent = {buffer, buffer + n};
        }
        const ssize_t n = ::send(fd, unsent.data(), unsent.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) break;
        unsent = {unsent.begin() + n, unsent.end()};
    }
    ::close(fd);
}

void accept_clients(int listener) {
    while (true) {
        const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        // Without a thread, handle(fd) would keep the next client waiting until this one has left.
        if (fd >= 0) std::thread(handle, fd).detach();
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
}
