/// \file
/// Top-down: checks, the world, groups, sockets, what goroutines do again and again.

#include "stages/stage5_tools.hpp"

#include "harness/proc.hpp"
#include "stage5_coroutines/net/dial.hpp"
#include "stage5_coroutines/syscall/socket.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <mutex>

using stage5::task;
using stage5::net::conn;

namespace stage5_tools {
namespace {

std::mutex mutex; ///< protects what follows
std::vector<std::string> complaints;

std::size_t open_descriptors() {
    return harness::descriptor_count(::getpid());
}

void must(bool holds, std::string_view what) {
    if (!holds) throw harness::failure(std::string(what));
}

stage5::unique_fd stream_socket(int flags = 0) {
    return stage5::unique_fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
}

/// Binds it to a port of 127.0.0.1 that the kernel chooses, and listens.
stage5::address listen_at(int socket, int backlog) {
    auto at = address_of("127.0.0.1:0");
    must(::bind(socket, &at.any, at.length) == 0, "bind");
    must(::listen(socket, backlog) == 0, "listen");
    must(::getsockname(socket, &at.any, &at.length) == 0, "getsockname");
    return at;
}

conn open(stage5::unique_fd socket, const stage5::address& peer = {}) {
    auto opened = stage5::fd::open(std::move(socket), peer);
    must(opened.has_value(), "fd::open");
    return conn(std::move(*opened));
}

} // namespace

void expect(bool holds, std::string_view what, std::source_location where) {
    if (holds) return;
    const std::lock_guard guard(mutex);
    complaints.push_back(fmt::format("{}:{}: {}", where.file_name(), where.line(), what));
}

void expect_same(std::string_view got, std::string_view wanted, std::source_location where) {
    if (got != wanted) expect(false, fmt::format(R"(got "{}", wanted "{}")", got, wanted), where);
}

world::world(unsigned threads)
    : frames_before_(stage5::frame_cache::live()), descriptors_before_(open_descriptors()),
      runtime_(std::move(*stage5::scheduler::make(threads))) {}

world::~world() {
    runtime_.reset();
    CHECK(stage5::frame_cache::live() == frames_before_);
    CHECK(open_descriptors() == descriptors_before_);
    const std::lock_guard guard(mutex);
    for (const auto& each : complaints) {
        UNSCOPED_INFO(each);
        CHECK(each.empty());
    }
    complaints.clear();
}

void world::go(task<> what) {
    ++running_;
    stage5::go(until_done(std::move(what)));
}

task<> world::until_done(task<> what) {
    try {
        auto mine = std::move(what);
        co_await std::move(mine);
    } catch (const std::exception& error) {
        expect(false, error.what());
    }
    if (--running_ == 0) runtime_->stop();
}

void group::go(task<> what) {
    left_.add();
    stage5::go(run(left_, std::move(what)));
}

task<> group::run(stage5::wait_group& of, task<> what) {
    const stage5::deferred_done last(of);
    try {
        auto mine = std::move(what); // is gone before we say so
        co_await std::move(mine);
    } catch (const std::exception& error) {
        expect(false, error.what());
    }
}

task<> group::wait() {
    const bool ended = co_await left_.wait(stage5::after(harness::must_happen));
    must(ended, "goroutines did not end");
}

ends::ends() {
    std::array<int, 2> pair{};
    must(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair.data()) == 0,
         "socketpair");
    stage5::unique_fd second(pair[1]);
    a = open(stage5::unique_fd(pair[0]));
    b = open(std::move(second));
}

tcp_ends::tcp_ends() {
    const auto listening = stream_socket();
    const auto at = listen_at(listening.get(), 1);
    auto socket = stream_socket();
    must(::connect(socket.get(), &at.any, at.length) == 0, "connect");
    stage5::address peer;
    stage5::unique_fd other(
        ::accept4(listening.get(), &peer.any, &peer.length, stage5::socket_flags));
    must(static_cast<bool>(other), "accept4");
    must(::fcntl(socket.get(), F_SETFL, O_NONBLOCK) == 0, "fcntl");
    a = open(std::move(socket), at);
    b = open(std::move(other), peer);
}

deaf_listener::deaf_listener() : fd_(stream_socket()), addr_(listen_at(fd_.get(), 0)) {
    for (int i = 0; i < 4; ++i) {
        queued_.push_back(stream_socket(SOCK_NONBLOCK));
        static_cast<void>(::connect(queued_.back().get(), &addr_.any, addr_.length));
    }
}

stage5::net::listener listen(std::string_view address, std::string_view network) {
    auto made = stage5::net::listen(network, address);
    must(made.has_value(), said(made));
    return std::move(*made);
}

stage5::address address_of(const std::string& text) {
    const auto where = stage5::parse_endpoint("tcp", text);
    must(where.has_value(), text);
    const auto found = stage5::resolve(*where, stage5::purpose::dial);
    must(found.has_value(), text);
    return found->front();
}

std::vector<stage5::address> only(const stage5::address& one) {
    return std::vector(1, one);
}

std::vector<stage5::address> both(const stage5::address& first, const stage5::address& second) {
    auto all = only(first);
    all.push_back(second);
    return all;
}

stage5::address nobodys_address(const std::string& host) {
    return listen(host + ":0").addr(); // and is closed
}

bool has_ipv6() {
    const bool has = stage5::listen({"tcp6", "::1", 0}).has_value();
    if (!has) WARN("left out: there is no IPv6 here");
    return has;
}

task<> accept_all(stage5::net::listener from) {
    std::vector<conn> all;
    while (true) {
        auto client = co_await from.accept();
        if (!client) break;
        all.push_back(std::move(*client));
    }
}

task<conn> dial(std::string address, std::string network) {
    auto made = co_await stage5::net::dial(std::move(network), std::move(address));
    must(made.has_value(), said(made));
    co_return std::move(*made);
}

task<std::string> read_all(conn from) {
    std::string all;
    while (true) {
        const auto part = co_await from.read();
        if (!part) co_return said(part);
        if (part->empty()) co_return all;
        all.append(part->data(), part->size());
    }
}

task<> write_all(conn to, std::string bytes) {
    const auto written = co_await to.write(bytes);
    expect_same(said(written), "ok");
}

task<std::string> write_until_error(conn to) {
    const std::string bytes(100'000, 'w');
    while (true) {
        const auto written = co_await to.write(bytes);
        if (!written) co_return said(written);
    }
}

int number_of(const conn& which) {
    int number = -1;
    which.socket()->with_descriptor([&](int fd) { return number = fd, 0; });
    return number;
}

void reset_at_close(const conn& which) {
    const linger now{1, 0};
    which.socket()->with_descriptor(
        [&](int fd) { return ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now); });
}

std::string ends_of(const conn& c) {
    return fmt::format("tcp {}->{}", c.local_addr().to_string(), c.remote_addr().to_string());
}

} // namespace stage5_tools
