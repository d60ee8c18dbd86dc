/// \file
/// Top-down: waiting, the connection driven by hand, then the system calls.

#include "stage4_tools.hpp"

#include <dlfcn.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <vector>

using harness::check;

namespace stage4_tests {
namespace {

/// What a call is to do the next times.
struct plan {
    std::atomic<int> error = 0, skip = 0, times = 0;

    /// \return whether it fails this time
    bool fails() {
        if (times <= 0 || skip-- > 0) return false;
        --times;
        errno = error;
        return true;
    }
};
std::array<plan, 4> plans;
std::array<std::atomic<int>, 4> epoll_ctl_counts; // by operation

plan& plan_of(call which) {
    return plans.at(static_cast<std::size_t>(which));
}

stage4::unique_fd take(int fd) {
    return stage4::unique_fd(check(fd, "socket"));
}

stage4::fd open_fd(stage4::netpoll& poll, stage4::unique_fd socket) {
    auto made = stage4::fd::open(poll, std::move(socket));
    if (!made) throw harness::failure(made.error().message());
    return std::move(*made);
}

/// Shows the lines of /proc/self/fdinfo of all descriptors that are such a thing.
void for_each_line_about(std::string_view thing,
                         const std::function<void(std::istringstream&)>& look) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone; // the directory's own
        if (std::filesystem::read_symlink(entry.path(), gone) != thing) continue;
        std::ifstream info("/proc/self/fdinfo/" + entry.path().filename().string());
        for (std::string line; std::getline(info, line);) {
            std::istringstream words(line);
            look(words);
        }
    }
}

void make_small(int fd, int buffer) {
    const int smallest = 1; // the kernel takes a few KiB for it
    check(::setsockopt(fd, SOL_SOCKET, buffer, &smallest, sizeof smallest), "setsockopt");
}

} // namespace

std::unique_ptr<stage4::netpoll> opened() {
    auto made = stage4::netpoll::open();
    if (!made) throw harness::failure(made.error().message());
    return std::move(*made);
}

bool woken(stage4::netpoll& poll, const counter& who, int times, harness::milliseconds limit) {
    const harness::deadline end(limit);
    while (who.wakes < times && !end.over()) poll.wait(10 * ms);
    return who.wakes == times;
}

void deliver(stage4::netpoll& poll) {
    for (int i = 0; i < 3; ++i) poll.wait(0);
}

void arrives(int fd, short events) {
    pollfd what{fd, events, 0};
    if (check(::poll(&what, 1, static_cast<int>(harness::must_happen.count())), "poll") == 0)
        throw harness::failure("nothing arrives");
}

void reset(harness::unique_fd& socket) {
    const linger at_once{1, 0};
    check(::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), "linger");
    socket.reset();
}

std::string told(const std::expected<std::size_t, stage4::io_error>& result,
                 std::string_view buffer) {
    if (!result) return result.error().message();
    if (buffer.empty()) return "nothing";
    return *result == 0 ? "EOF" : std::string(buffer.substr(0, *result));
}

std::string told(const std::expected<void, stage4::io_error>& result) {
    return result ? done : result.error().message();
}

stage4::unique_fd listen_on_loopback(stage4::address& where, int backlog) {
    auto socket = take(::socket(AF_INET, SOCK_STREAM | stage4::socket_flags, 0));
    where.in.sin_family = AF_INET;
    where.in.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    where.length = sizeof where.in;
    check(::bind(socket.get(), &where.any, where.length), "bind");
    check(::listen(socket.get(), backlog), "listen");
    check(::getsockname(socket.get(), &where.any, &where.length), "getsockname");
    return socket;
}

both_ends connect_to_myself(transport how) {
    both_ends made;
    if (how == transport::unix_socket) {
        std::array<int, 2> ends{};
        check(::socketpair(AF_UNIX, SOCK_STREAM | stage4::socket_flags, 0, ends.data()), "pair");
        made = {stage4::unique_fd(ends[0]), harness::unique_fd(ends[1])};
    } else {
        stage4::address where;
        const auto listener = listen_on_loopback(where);
        made.theirs = harness::unique_fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        make_small(made.theirs.get(), SO_RCVBUF);
        check(::connect(made.theirs.get(), &where.any, where.length), "connect");
        arrives(listener.get(), POLLIN);
        made.ours = take(::accept4(listener.get(), nullptr, nullptr, stage4::socket_flags));
    }
    make_small(made.ours.get(), SO_SNDBUF);
    return made;
}

connection::connection(both_ends ends)
    : poll(opened()), ours(open_fd(*poll, std::move(ends.ours))), theirs(std::move(ends.theirs)) {}

std::string connection::read(std::size_t size) {
    std::vector<char> buffer(size);
    const auto result = ours.read(buffer, reader);
    if (!result && result.error().is_pending()) ++parks_;
    return told(result, {buffer.data(), buffer.size()});
}

std::string connection::write(std::string_view bytes) {
    return told(ours.write(bytes, written, writer));
}

std::string connection::read_to_its_end(std::size_t size) {
    while (true) {
        if (!woken(*poll, reader, parks_)) throw harness::failure("nobody wakes the reader");
        auto result = read(size);
        if (result != pending) return result;
    }
}

void connection::park_writer() {
    static const std::string much(32 << 20, 'm');
    written = 0;
    if (write(much) != pending) throw harness::failure("the writer does not wait");
    // What the kernel was still moving makes room once or twice.
    for (int before = writer.wakes; woken(*poll, writer, before + 1, harness::milliseconds(20));
         before = writer.wakes)
        if (write(much) != pending) throw harness::failure("the writer does not wait");
    writer.wakes = 0;
}

void connection::send(std::string_view bytes, int flags) const {
    const auto n = check(::send(theirs.get(), bytes.data(), bytes.size(), flags), "send");
    if (static_cast<std::size_t>(n) != bytes.size()) throw harness::failure("sent in part");
}

void connection::all_arrived() const {
    if (!harness::wait_for([&] { return stage4::is_all_acknowledged(theirs.get()); }))
        throw harness::failure("not acknowledged");
}

void connection::send_end() const {
    check(::shutdown(theirs.get(), SHUT_WR), "shutdown");
}

std::string connection::receive_all() const {
    std::string all;
    std::array<char, 65536> part;
    while (true) {
        const auto n = ::recv(theirs.get(), part.data(), part.size(), MSG_DONTWAIT);
        if (n <= 0) return all;
        all.append(part.data(), static_cast<std::size_t>(n));
    }
}

listening::listening() : poll(opened()), socket(open_fd(*poll, listen_on_loopback(where))) {}

std::string listening::accept() {
    auto result = socket.accept(acceptor);
    if (!result) return result.error().message();
    accepted = std::make_unique<stage4::fd>(std::move(*result));
    return done;
}

harness::unique_fd listening::client() const {
    harness::unique_fd made(check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
    check(::connect(made.get(), &where.any, where.length), "connect");
    arrives(socket.get(), POLLIN);
    return made;
}

std::string registered(int fd) {
    std::string found;
    for_each_line_about("anon_inode:[eventpoll]", [&](std::istringstream& words) {
        std::string name, events, mask;
        int number = -1;
        words >> name >> number >> events >> mask; // "tfd: 5 events: 8000201f data: ..."
        if (name == "tfd:" && number == fd) found = mask;
    });
    return found;
}

std::uint64_t written_to_eventfd() {
    std::uint64_t count = 0;
    for_each_line_about("anon_inode:[eventfd]", [&](std::istringstream& words) {
        std::string name;
        words >> name;
        if (name == "eventfd-count:") words >> std::hex >> count;
    });
    return count;
}

void let_fail(call which, int error, int skip, int times) {
    auto& chosen = plan_of(which);
    chosen.error = error;
    chosen.skip = skip;
    chosen.times = times;
}

int epoll_ctl_count(int operation) {
    return epoll_ctl_counts.at(static_cast<std::size_t>(operation));
}

} // namespace stage4_tests

namespace {

/// The function of that name behind ours: a sanitizer's, or the C library's.
template <typename Function>
Function* next(Function*, const char* name) {
    return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

} // namespace

using stage4_tests::call;
using stage4_tests::plan_of;

extern "C" {

int accept4(int fd, sockaddr* peer, socklen_t* length, int flags) {
    static auto* const real = next(&::accept4, "accept4");
    return plan_of(call::accept4).fails() ? -1 : real(fd, peer, length, flags);
}

int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
    static auto* const real = next(&::epoll_ctl, "epoll_ctl");
    ++stage4_tests::epoll_ctl_counts.at(static_cast<std::size_t>(operation));
    return plan_of(call::epoll_ctl).fails() ? -1 : real(epoll, operation, fd, event);
}

int epoll_pwait2(int epoll, epoll_event* events, int most, const timespec* span,
                 const sigset_t* mask) {
    static auto* const real = next(&::epoll_pwait2, "epoll_pwait2");
    return plan_of(call::epoll_pwait2).fails() ? -1 : real(epoll, events, most, span, mask);
}

ssize_t send(int fd, const void* bytes, size_t size, int flags) {
    static auto* const real = next(&::send, "send");
    return plan_of(call::send).fails() ? -1 : real(fd, bytes, size, flags);
}

} // extern "C"
