/* A thread for each client, as tutorials write it: write() does not ask for MSG_NOSIGNAL. */
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void* serve(void* client) {
    int fd = (int)(long)client;
    char buffer[4096];
    ssize_t count;
    while ((count = read(fd, buffer, sizeof buffer)) > 0)
        for (ssize_t sent = 0; sent < count;) {
            ssize_t more = write(fd, buffer + sent, (size_t)(count - sent));
            if (more < 0) break;
            sent += more;
        }
    close(fd);
    return NULL;
}

int main(int count, char** words) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((unsigned short)atoi(count > 1 ? words[1] : "0"))};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr*)&address, sizeof address) != 0) return 1;
    listen(listener, SOMAXCONN);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        pthread_t thread;
        if (fd < 0) continue;
        pthread_create(&thread, NULL, serve, (void*)(long)fd);
        pthread_detach(thread);
    }
}
