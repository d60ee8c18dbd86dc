/* epoll and non-blocking sockets, as tutorials write it: what send() does not take is dropped. */
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void watch(int epoll, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

int main(int count, char** words) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((unsigned short)atoi(count > 1 ? words[1] : "0"))};
    int listener = socket(AF_INET, SOCK_STREAM, 0), epoll = epoll_create1(0);
    struct epoll_event events[64];
    if (bind(listener, (struct sockaddr*)&address, sizeof address) != 0) return 1;
    listen(listener, SOMAXCONN);
    watch(epoll, listener);
    for (;;) {
        int ready = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < ready; ++i) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                int client = accept(listener, NULL, NULL);
                if (client < 0) continue;
                fcntl(client, F_SETFL, O_NONBLOCK);
                watch(epoll, client);
                continue;
            }
            char buffer[65536];
            ssize_t got = recv(fd, buffer, sizeof buffer, 0);
            if (got > 0)
                send(fd, buffer, (size_t)got, MSG_NOSIGNAL);
            else
                close(fd);
        }
    }
}
