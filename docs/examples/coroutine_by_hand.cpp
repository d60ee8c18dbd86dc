/// \file
/// coroutine.cpp with the compiler's part written by hand: the frame, and the function that runs it
/// from one suspension to the next.

#include <cstdio>
#include <utility>

namespace {

struct frame;
frame* rg = nullptr;
bool event_came = false;

struct readable {
    int fd;
    bool await_ready() const {
        std::printf("fd %d: try: EAGAIN\n", fd);
        return false;
    }
    bool await_suspend(frame* self) const {
        if (std::exchange(event_came, false)) return false;
        rg = self;
        return true;
    }
    int await_resume() const { return 6; }
};

// [by_hand]
struct frame { // made with new for each call of handle()
    int place; // where resume() continues
    int fd;    // the parameter, copied
    readable awaited;
    int n;
};

void resume(frame* self) {
    switch (self->place) {
    case 0:
        self->awaited = {self->fd};
        if (!self->awaited.await_ready()) {
            self->place = 1; // suspended: any thread may call resume(self) from now on
            if (self->awaited.await_suspend(self)) return;
        }
        [[fallthrough]];
    case 1:
        self->n = self->awaited.await_resume();
        std::printf("fd %d: %d bytes\n", self->fd, self->n);
        delete self;
    }
}

void handle(int fd) {
    resume(new frame{0, fd, {}, 0});
}
// [by_hand]

} // namespace

int main() {
    handle(7);
    std::puts("main: fd 7 is parked");
    resume(rg);
    event_came = true;
    handle(8);
}
