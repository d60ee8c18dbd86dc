/// \file
/// What becomes of recv, send and epoll_wait, and how the environment is read before `main`.

#include "faults/fault_verdict.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace faults {

/// Never destroyed, because threads still run while a program ends.
everything& all() {
    static auto* const made = new everything;
    return *made;
}

known* find(int fd) {
    auto& table = all().descriptors;
    return fd >= 0 && static_cast<std::size_t>(fd) < table.size()
               ? &table[static_cast<std::size_t>(fd)]
               : nullptr;
}

std::uint64_t mix(std::uint64_t x) {
    x += 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31U);
}

void announce_again(int fd) {
    const auto* const about = find(fd);
    if (about == nullptr || about->poller < 0) return;
    epoll_event event{};
    event.events = about->events;
    event.data.u64 = about->data;
    next<decltype(::epoll_ctl)>("epoll_ctl")(about->poller, EPOLL_CTL_MOD, fd, &event);
}

bool does_not_block(int fd) {
    return (::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
}

void begin_life(int fd) {
    auto* const about = find(fd);
    if (about == nullptr) return;
    const auto number = ++all().connections;
    about->victim = number % all().script.every == 0;
    about->dead = false;
    about->poller = -1;
    about->connection = true;
    if (number == all().script.from) memory_fails = true;
}

void end_life(int fd) {
    auto* const about = find(fd);
    if (about == nullptr) return;
    about->connection = about->victim = about->dead = false;
    about->poller = -1;
}

std::size_t allow(call where, int fd, std::size_t most, ssize_t& result) {
    auto* const about = find(fd);
    if (about == nullptr || !about->victim) return most;
    if (about->dead) {
        result = where == call::recv ? 0 : fail(EPIPE);
        return 0;
    }
    const auto found = judge(where, [&](int fault) {
        if (!is_errno(fault)) return most > 1 && fault != fault_spurious;
        return fault != EAGAIN || does_not_block(fd);
    });
    if (found.fault == 0) return most;
    // TCP holds nothing back when it is read: the rest has to come later, with a readiness event.
    if (found.fault == EAGAIN || (where == call::recv && !is_errno(found.fault)))
        announce_again(fd);
    if (found.fault == fault_byte) return 1;
    if (found.fault == fault_short) return 1 + found.random % (most - 1);
    if (found.fault != EAGAIN && found.fault != EINTR) {
        about->dead = true;
        const linger at_once{1, 0};
        ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        // A thread blocked in the other direction then finds the end of the stream.
        if (all().script.connected != 0) ::shutdown(fd, SHUT_RDWR);
    }
    result = fail(found.fault);
    return 0;
}

bool allow(call where, int fd, msghdr& message, iovec& first, ssize_t& result) {
    std::size_t most = 0;
    for (std::size_t i = 0; i < message.msg_iovlen; ++i) most += message.msg_iov[i].iov_len;
    if (most == 0) return true;
    const auto allowed = allow(where, fd, most, result);
    if (allowed == 0) return false;
    if (allowed == most) return true;
    first = message.msg_iov[0];
    first.iov_len = std::min(first.iov_len, allowed);
    message.msg_iov = &first;
    message.msg_iovlen = 1;
    return true;
}

int with_a_ghost(int count, epoll_event* events, int most) {
    auto& self = all();
    for (int i = 0; i < count; ++i)
        self.old_events[self.old_event_count++ % self.old_events.size()] = events[i].data.u64;
    if (count < 0 || count >= most || self.old_event_count == 0) return count;
    const auto found = judge(call::epoll_wait, [](int fault) { return fault == fault_spurious; });
    if (found.fault == 0) return count;
    const auto known_ones = std::min<std::uint64_t>(self.old_event_count, self.old_events.size());
    events[count].events = EPOLLIN | EPOLLOUT;
    events[count].data.u64 = self.old_events[found.random % known_ones];
    return count + 1;
}

bool epoll_fails(int& most) {
    const auto found = judge(call::epoll_wait, [](int fault) { return fault != fault_spurious; });
    if (found.fault == fault_short) most = 1;
    if (!is_errno(found.fault)) return false;
    errno = found.fault;
    return true;
}

namespace {

extern "C" void ignore_signal(int) {}

void start_timer(long microseconds) {
    struct sigaction action {};
    action.sa_handler = &ignore_signal; // and no SA_RESTART
    ::sigaction(SIGALRM, &action, nullptr);
    const timeval often{microseconds / 1'000'000, microseconds % 1'000'000};
    const itimerval timer{often, often};
    ::setitimer(ITIMER_REAL, &timer, nullptr);
}

void open_counts(const char* path) {
    const int fd = ::open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    constexpr std::size_t size = 16 * sizeof(std::uint64_t);
    if (fd < 0 || ::ftruncate(fd, size) != 0) return;
    void* const shared = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::close(fd);
    if (shared != MAP_FAILED) all().counts = static_cast<std::atomic<std::uint64_t>*>(shared);
}

[[gnu::constructor]] void begin() {
    const char* const line = std::getenv("FAULTS");
    if (line == nullptr) return;
    std::string_view wrong;
    const auto read = parse_script(line, wrong);
    if (!read) {
        std::fprintf(stderr, "fault_injector: %.*s in FAULTS can't be read\n",
                     static_cast<int>(wrong.size()), wrong.data());
        ::_exit(2);
    }
    all().script = *read;
    if (const char* const path = std::getenv("FAULTS_COUNTS")) open_counts(path);
    if (read->timer != 0) start_timer(read->timer);
}

} // namespace
} // namespace faults
